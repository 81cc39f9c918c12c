import { useRef } from 'preact/hooks';
import type { RunView } from '../contract/run.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { Chart } from '../ui/chart/chart.tsx';
import type { ChartLine, ChartTable } from '../ui/chart/data.ts';
import { shortNumber } from '../ui/chart/options.ts';
import { Checkbox, Select } from '../ui/fields.tsx';
import { t } from '../ui/l10n.ts';
import { Slider } from '../ui/slider.tsx';
import { addOverlay, host, look, losses, removeOverlay, showRange, ui } from './state.ts';

const overlayColors = ['charts-green', 'charts-red', 'charts-orange', 'charts-purple'];

/** Losses of the run, and of others laid over it. */
export function LossChart({ run }: { readonly run: RunView }) {
  const picture = useRef<() => HTMLCanvasElement>();
  const { logarithmic, shown, range, overlays } = ui.value;
  const tables = tablesOf(run);
  const last = Math.max(1, ...[...losses.value.values()].map(({ lastStep }) => lastStep));
  const whole = { from: 0, to: last };
  const show = (part: Partial<typeof shown>) => look({ shown: { ...shown, ...part } });
  const left = run.others.filter(({ id }) => !overlays.includes(id));
  const savePng = () =>
    picture.current?.().toBlob(async (blob) => {
      if (blob) await host.call('saveChart', { png: await blob.arrayBuffer() });
    });
  return (
    <section class="run-part" aria-labelledby="losses">
      <div class="ui-row">
        <h2 id="losses">{t('Losses')}</h2>
        <span class="ui-spread" />
        <Button onClick={savePng}>{t('Save as PNG')}</Button>
        <Button onClick={() => void host.call('saveTable', { runs: [run.id, ...overlays] })}>
          {t('Save as CSV')}
        </Button>
      </div>
      <div class="ui-row run-lines">
        <Checkbox label={t('Each step')} value={shown.raw} onChange={(raw) => show({ raw })} />
        <Checkbox label={t('Smoothed')} value={shown.smoothed} onChange={(smoothed) => show({ smoothed })} />
        <Checkbox
          label={t('Validation')}
          value={shown.validation}
          onChange={(validation) => show({ validation })}
        />
        <Checkbox label={t('Learning rate')} value={shown.rate} onChange={(rate) => show({ rate })} />
        <Checkbox
          label={t('Logarithmic')}
          value={logarithmic}
          onChange={(value) => look({ logarithmic: value })}
        />
      </div>
      {run.now.step === 0 && <p class="ui-quiet">{t('Losses are drawn here from the first step on.')}</p>}
      <Chart
        label={summary(run)}
        xLabel={t('Step')}
        tables={tables}
        logarithmic={logarithmic}
        height={320}
        whole={whole}
        range={range}
        onRange={showRange}
        onReady={(take) => {
          picture.current = take;
        }}
      />
      {range && (
        <div class="ui-row">
          <div class="ui-spread">
            <Slider
              label={t('First step shown')}
              value={Math.round(range.from)}
              minimum={0}
              maximum={Math.max(0, Math.round(last - (range.to - range.from)))}
              step={1}
              onInput={(from) => showRange({ from, to: from + range.to - range.from })}
            />
          </div>
          <Button onClick={() => showRange(undefined)}>{t('Show All')}</Button>
        </div>
      )}
      <div class="ui-row run-tools">
        {left.length > 0 && (
          <Select
            quiet
            label={t('Lay another run over this one')}
            value=""
            choices={[
              { value: '', label: t('Lay another run over…') },
              ...left.map(({ id, label }) => ({ value: id, label })),
            ]}
            onChange={addOverlay}
          />
        )}
        {overlays.map((id, i) => {
          const name = run.others.find((other) => other.id === id)?.label ?? id;
          return (
            <span key={id} class="run-overlay">
              <i style={{ background: `var(--vscode-${overlayColors[i % overlayColors.length]})` }} />
              {name}
              <IconButton icon="close" label={t('Take {0} away', name)} onClick={() => removeOverlay(id)} />
            </span>
          );
        })}
      </div>
    </section>
  );
}

function tablesOf(run: RunView): ChartTable[] {
  const { shown, overlays } = ui.value;
  const own = losses.value.get(run.id);
  const tables: ChartTable[] = [];
  const line = (
    id: string,
    label: string,
    y: Float32Array,
    rest: Pick<ChartLine, 'color' | 'style' | 'axis'>,
  ) => ({
    ...{ id, label, y },
    ...rest,
  });
  if (own) {
    const [x, raw, smoothed, rate] = own.columns as [Float32Array, Float32Array, Float32Array, Float32Array];
    const lines: ChartLine[] = [];
    if (shown.raw)
      lines.push(line('raw', t('Loss'), raw, { color: 'charts-blue', style: 'faint', axis: 'left' }));
    if (shown.smoothed)
      lines.push(
        line('smoothed', t('Smoothed'), smoothed, { color: 'charts-blue', style: 'strong', axis: 'left' }),
      );
    if (shown.rate)
      lines.push(
        line('rate', t('Learning rate'), rate, { color: 'charts-purple', style: 'dashed', axis: 'right' }),
      );
    tables.push({ x, lines });
    const [at, loss] = own.validation as [Float32Array, Float32Array];
    if (shown.validation && at.length > 0)
      tables.push({
        x: at,
        lines: [
          line('validation', t('Validation'), loss, {
            color: 'charts-yellow',
            style: 'points',
            axis: 'left',
          }),
        ],
      });
  }
  for (const [i, id] of overlays.entries()) {
    const other = losses.value.get(id);
    if (!other) continue;
    const name = run.others.find((one) => one.id === id)?.label ?? id;
    const color = overlayColors[i % overlayColors.length]!;
    const y = shown.smoothed ? other.columns[2]! : other.columns[1]!;
    tables.push({
      x: other.columns[0]!,
      lines: [line(id, name, y, { color, style: 'strong', axis: 'left' })],
    });
  }
  return tables;
}

/** The chart in a sentence. */
function summary({ subject, now }: RunView): string {
  const loss = now.smoothedLoss === undefined ? t('no loss yet') : shortNumber(now.smoothedLoss);
  return t(
    'Losses of {0} after {1} of {2} steps: {3}. Arrow keys read values.',
    subject,
    now.step,
    now.steps,
    loss,
  );
}
