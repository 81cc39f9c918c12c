import { useRef, useState } from 'preact/hooks';
import type { Column, ComparisonView, Row } from '../contract/compare.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { TextArea } from '../ui/fields.tsx';
import { bytes, duration } from '../ui/format.ts';
import { t } from '../ui/l10n.ts';
import { Slider } from '../ui/slider.tsx';
import { PictureCell } from './picture-cell.tsx';
import { ask, cellAt, setStrength, strengths, ui } from './state.ts';

/** Columns of adapters, rows of prompts. */
export function Grid({ view }: { readonly view: ComparisonView }) {
  const { columns, rows } = view;
  const { width } = ui.value;
  const style = {
    '--columns': columns.length,
    '--width': width === 0 ? 'minmax(120px, 1fr)' : `${width}px`,
  };
  return (
    <div class="compare-scroll">
      <table class="compare-grid" style={style} aria-label={t('Pictures by prompt and adapter')}>
        <thead>
          <tr>
            <td />
            {columns.map((column) => (
              <th key={column.id} scope="col">
                <ColumnHead column={column} removable={columns.length > 1} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <th scope="row">
                <RowHead row={row} removable={rows.length > 1} />
              </th>
              {columns.map((column) => (
                <td key={column.id}>
                  <PictureCell view={view} column={column} row={row} cell={cellAt(view, column.id, row.id)} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <td>
              <AddPrompt />
            </td>
            {columns.map((column) => (
              <td key={column.id}>
                <Facts column={column} />
              </td>
            ))}
          </tr>
        </tfoot>
      </table>
    </div>
  );
}

/** What a column is, and how strongly its adapter applies. */
export function ColumnHead({ column, removable }: { readonly column: Column; readonly removable: boolean }) {
  const { id, label, method, minimum, maximum } = column;
  const strength = strengths.value.get(id) ?? column.strength;
  return (
    <div class="compare-head">
      <div class="compare-name">
        <span title={label}>{label}</span>
        {removable && (
          <IconButton
            icon="close"
            label={t('Remove {0}', label)}
            onClick={() => ask('removeColumn', { column: id })}
          />
        )}
      </div>
      {method === 'base' ? (
        <span class="ui-quiet compare-none">{t('no adapter')}</span>
      ) : (
        <Slider
          label={t('Strength of {0}', label)}
          quiet
          value={strength}
          minimum={minimum}
          maximum={maximum}
          step={0.05}
          text={strength.toFixed(2)}
          onInput={(value) => setStrength(id, value)}
        />
      )}
    </div>
  );
}

function RowHead({ row, removable }: { readonly row: Row; readonly removable: boolean }) {
  return (
    <div class="compare-prompt">
      <TextArea
        label={t('Prompt')}
        quiet
        rows={3}
        value={row.text}
        problem={row.problem}
        onCommit={(text) => {
          if (text !== row.text) ask('setPrompt', { row: row.id, text });
        }}
      />
      <div class="ui-row">
        <span class="ui-quiet">{t('seed {0}', row.seed)}</span>
        <span class="ui-spread" />
        {removable && (
          <IconButton
            icon="close"
            label={t('Remove this prompt')}
            onClick={() => ask('removePrompt', { row: row.id })}
          />
        )}
      </div>
    </div>
  );
}

function AddPrompt() {
  const [text, setText] = useState<string>();
  const open = useRef(false);
  if (text === undefined)
    return (
      <Button
        icon="add"
        onClick={() => {
          open.current = true;
          setText('');
        }}
      >
        {t('Add Prompt')}
      </Button>
    );
  const add = (words: string) => {
    // The field is left as it goes, and tells what it holds a second time.
    if (!open.current) return;
    open.current = false;
    if (words.trim()) ask('addPrompt', { text: words.trim() });
    setText(undefined);
  };
  return (
    <TextArea
      label={t('New prompt')}
      value={text}
      rows={2}
      placeholder={t('a zwx dog in the snow')}
      onCommit={add}
      onSubmit={() => {}}
    />
  );
}

/** What the adapter of a column costs. */
export function Facts({ column: { facts, method } }: { readonly column: Column }) {
  if (method === 'base') return null;
  const rows: [string, string | undefined][] = [
    [t('Parameters'), facts.parameters?.toLocaleString()],
    [t('Rank'), facts.rank],
    [t('File'), facts.bytes === undefined ? undefined : bytes(facts.bytes)],
    [t('Steps'), facts.steps?.toLocaleString()],
    [t('Training'), facts.seconds === undefined ? undefined : duration(facts.seconds)],
  ];
  return (
    <dl class="compare-facts">
      {rows.map(
        ([name, value]) =>
          value !== undefined && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
