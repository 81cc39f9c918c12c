import type { ComparisonView } from '../contract/compare.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { NumberField, Select, TextField } from '../ui/fields.tsx';
import { Icon } from '../ui/icons.tsx';
import { t } from '../ui/l10n.ts';
import { Slider } from '../ui/slider.tsx';
import { drawSheet } from './sheet.ts';
import { ask, host, look, setSettings, sharedProblems, ui } from './state.ts';

const layouts = () =>
  [
    { value: 'grid', label: t('Beside each other') },
    { value: 'swipe', label: t('Swipe') },
    { value: 'difference', label: t('Difference') },
  ] as const;

/** What the whole comparison shares, and what is done with it. */
export function Bar({ view }: { readonly view: ComparisonView }) {
  const { columns } = view;
  return (
    <header class="compare-bar">
      <div class="ui-row">
        <h1>{t('Comparison')}</h1>
        <Place view={view} quiet />
        <span class="ui-spread" />
        <DrawButton view={view} />
        <Button icon="add" onClick={() => ask('addColumn', {})}>
          {t('Add Adapter')}
        </Button>
        <Button icon="save" onClick={() => void saveSheet(view)}>
          {t('Save Sheet')}
        </Button>
      </div>
      {[...new Set([...(view.problem ? [view.problem] : []), ...sharedProblems(view)])].map((text) => (
        <Problem key={text} text={text} />
      ))}
      <div class="compare-settings">
        <Settings view={view} />
        <Select
          label={t('Layout')}
          value={ui.value.layout}
          choices={columns.length > 1 ? layouts() : layouts().slice(0, 1)}
          onChange={(layout) => look({ layout })}
        />
        {ui.value.layout === 'grid' && (
          <Slider
            label={t('Size')}
            value={ui.value.width}
            minimum={0}
            maximum={768}
            step={32}
            text={ui.value.width === 0 ? t('fitted') : `${ui.value.width} px`}
            onInput={(width) => look({ width })}
          />
        )}
      </div>
    </header>
  );
}

export const Problem = ({ text }: { readonly text: string }) => (
  <p class="compare-problem" role="alert">
    <Icon name="error" /> {text}
  </p>
);

/** Stops what is drawn, or draws what is missing. */
export function DrawButton({ view }: { readonly view: ComparisonView }) {
  const busy = view.cells.some(({ state }) => state === 'drawing' || state === 'waiting');
  const open = view.cells.some(({ state }) => state === 'missing' || state === 'failed');
  if (busy && !view.paused)
    return (
      <Button icon="stop" onClick={() => ask('stop', {})}>
        {t('Stop')}
      </Button>
    );
  return (
    <Button icon="play" kind="primary" disabled={!open} onClick={() => ask('draw', {})}>
      {t('Draw')}
    </Button>
  );
}

interface PlaceProps {
  readonly view: ComparisonView;
  /** The labels are said, not shown. */
  readonly quiet?: boolean;
}

/** On what it is drawn, and where. */
export const Place = ({ view: { base, bases, place, places }, quiet = false }: PlaceProps) => (
  <>
    <Select
      label={t('Base')}
      quiet={quiet}
      value={base}
      choices={bases.map((name) => ({ value: name, label: name }))}
      onChange={(name) => ask('setPlace', { base: name })}
    />
    <Select
      label={t('Draw on')}
      quiet={quiet}
      value={place}
      choices={places}
      onChange={(name) => ask('setPlace', { place: name })}
    />
  </>
);

/** Seed, guidance, steps, scheduler; size and negative prompt where they are wanted. */
export function Settings({ view }: { readonly view: ComparisonView }) {
  const { settings, schedulers, baseSize } = view;
  const size = (side: 'width' | 'height') => settings[side] ?? baseSize?.[side] ?? 0;
  return (
    <>
      <div class="compare-seed">
        <NumberField
          label={t('Seed')}
          value={settings.seed}
          minimum={0}
          maximum={4_294_967_295}
          whole
          onCommit={(seed) => setSettings({ seed })}
        />
        <IconButton
          icon="dice"
          label={t('Another seed')}
          onClick={() => setSettings({ seed: crypto.getRandomValues(new Uint32Array(1))[0]! })}
        />
      </div>
      <NumberField
        label={t('Guidance')}
        value={settings.guidance}
        minimum={0}
        maximum={100}
        onCommit={(guidance) => setSettings({ guidance })}
      />
      <NumberField
        label={t('Steps')}
        value={settings.steps}
        minimum={1}
        maximum={1000}
        whole
        onCommit={(steps) => setSettings({ steps })}
      />
      <Select
        label={t('Scheduler')}
        value={settings.scheduler}
        choices={schedulers}
        onChange={(scheduler) => setSettings({ scheduler })}
      />
      {ui.value.more && (
        <>
          <NumberField
            label={t('Width')}
            value={size('width')}
            minimum={8}
            maximum={8192}
            whole
            onCommit={(width) => setSettings({ width })}
          />
          <NumberField
            label={t('Height')}
            value={size('height')}
            minimum={8}
            maximum={8192}
            whole
            onCommit={(height) => setSettings({ height })}
          />
          <TextField
            label={t('Negative prompt')}
            value={settings.negative}
            onCommit={(negative) => setSettings({ negative })}
          />
        </>
      )}
      <IconButton
        icon={ui.value.more ? 'up' : 'down'}
        label={ui.value.more ? t('Fewer settings') : t('Size and negative prompt')}
        pressed={ui.value.more}
        onClick={() => look({ more: !ui.value.more })}
      />
    </>
  );
}

async function saveSheet(view: ComparisonView): Promise<void> {
  const png = await drawSheet(view);
  if (png) await host.call('saveSheet', { png }).catch(() => {});
}
