import { useRef, useState } from 'preact/hooks';
import { t } from './l10n.ts';
import { Picture } from './picture.tsx';

interface Side {
  readonly source: string;
  readonly label: string;
}

interface SwipeProps {
  readonly left: Side;
  readonly right: Side;
}

/** Two pictures on one place; a line that is dragged, or moved by arrow keys, parts them. */
export function Swipe({ left, right }: SwipeProps) {
  const [share, setShare] = useState(0.5);
  const frame = useRef<HTMLDivElement>(null);
  const percent = Math.round(share * 100);
  const drag = (event: PointerEvent) => {
    const box = frame.current!.getBoundingClientRect();
    setShare(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
  };
  return (
    <div
      class="ui-swipe"
      ref={frame}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        drag(event);
      }}
      onPointerMove={(event) => event.buttons & 1 && drag(event)}
    >
      <Picture source={right.source} description={right.label} />
      <div class="ui-swipe-over" style={{ clipPath: `inset(0 ${100 - percent}% 0 0)` }}>
        <Picture source={left.source} description={left.label} />
      </div>
      <span class="ui-swipe-name ui-swipe-left">{left.label}</span>
      <span class="ui-swipe-name ui-swipe-right">{right.label}</span>
      <div class="ui-swipe-line" style={{ left: `${percent}%` }} />
      <input
        type="range"
        class="ui-swipe-input"
        min={0}
        max={100}
        value={percent}
        aria-label={t('Share of {0} before {1}', left.label, right.label)}
        onInput={(event) => setShare(Number(event.currentTarget.value) / 100)}
      />
    </div>
  );
}
