import { useEffect, useRef } from 'preact/hooks';
import type { Column, ComparisonView } from '../contract/compare.ts';
import { Select } from '../ui/fields.tsx';
import { t } from '../ui/l10n.ts';
import { loadPicture } from '../ui/picture.tsx';
import { Swipe } from '../ui/swipe.tsx';
import { difference } from './difference.ts';
import { ColumnHead } from './grid.tsx';
import { cellAt, look, ui } from './state.ts';

/** Two columns held against each other, row by row: one over the other, or how they differ. */
export function Pairs({ view }: { readonly view: ComparisonView }) {
  const { columns, rows } = view;
  const find = (id: string, otherwise: Column) => columns.find((one) => one.id === id) ?? otherwise;
  // Two adapters tell more of each other than one and the base, wherever that stands.
  const adapters = columns.filter(({ method }) => method !== 'base');
  const usual = adapters.length > 1 ? adapters : columns;
  const left = find(ui.value.left, usual[0]!);
  const right = find(ui.value.right, usual.at(-1)!);
  const choices = columns.map(({ id, label }) => ({ value: id, label }));
  return (
    <div class="compare-pairs">
      <div class="compare-sides">
        <div>
          <Select label={t('Left')} value={left.id} choices={choices} onChange={(id) => look({ left: id })} />
          <ColumnHead column={left} removable={false} />
        </div>
        <div>
          <Select
            label={t('Right')}
            value={right.id}
            choices={choices}
            onChange={(id) => look({ right: id })}
          />
          <ColumnHead column={right} removable={false} />
        </div>
      </div>
      {ui.value.layout === 'difference' && (
        <p class="ui-quiet">
          {t(
            'Grey where both are the same, lighter where the right one is brighter, darker where it is darker.',
          )}
        </p>
      )}
      <div class="compare-pair-list">
        {rows.map((row) => {
          const cells = [left, right].map(({ id }) => cellAt(view, id, row.id));
          const [one, two] = cells.map((cell) => cell?.source);
          const problem = cells.find((cell) => cell?.state === 'failed')?.problem;
          return (
            <figure key={row.id}>
              {one && two ? (
                ui.value.layout === 'swipe' ? (
                  <Swipe
                    left={{ source: one, label: left.label }}
                    right={{ source: two, label: right.label }}
                  />
                ) : (
                  <Difference
                    left={one}
                    right={two}
                    label={t('How {0} and {1} differ', left.label, right.label)}
                  />
                )
              ) : (
                <p class="ui-quiet compare-blank">{problem ?? t('not drawn yet')}</p>
              )}
              <figcaption>{row.text}</figcaption>
            </figure>
          );
        })}
      </div>
    </div>
  );
}

/** How two pictures differ: grey where they are the same, lighter and darker where one is. */
function Difference({
  left,
  right,
  label,
}: {
  readonly left: string;
  readonly right: string;
  readonly label: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let over = false;
    void Promise.all([loadPicture(left), loadPicture(right)]).then(
      ([a, b]) => {
        if (!over && canvas.current) difference(canvas.current, a, b);
      },
      () => {},
    );
    return () => {
      over = true;
    };
  }, [left, right]);
  return <canvas ref={canvas} class="ui-picture compare-difference" role="img" aria-label={label} />;
}
