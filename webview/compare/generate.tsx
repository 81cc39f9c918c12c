import { useState } from 'preact/hooks';
import type { ComparisonView } from '../contract/compare.ts';
import { Button } from '../ui/button.tsx';
import { TextArea } from '../ui/fields.tsx';
import { t } from '../ui/l10n.ts';
import { Picture } from '../ui/picture.tsx';
import { DrawButton, Place, Problem, Settings } from './bar.tsx';
import { ColumnHead } from './grid.tsx';
import { PictureCell } from './picture-cell.tsx';
import { ask, cellAt } from './state.ts';

/** One prompt, one adapter, one picture; what was drawn before is below. */
export function Generate({ view }: { readonly view: ComparisonView }) {
  const [column, row] = [view.columns[0]!, view.rows[0]!];
  const [text, setText] = useState<string>();
  const commit = (words: string) => {
    setText(undefined);
    if (words !== row.text) ask('setPrompt', { row: row.id, text: words });
  };
  return (
    <div class="compare generate">
      <header class="compare-bar">
        <div class="generate-prompt">
          <TextArea
            label={t('Prompt')}
            value={text ?? row.text}
            rows={2}
            placeholder={t('a zwx dog on the beach')}
            problem={row.problem}
            onInput={setText}
            onCommit={commit}
            onSubmit={() => ask('draw', {})}
          />
          <DrawButton view={view} />
        </div>
        <div class="compare-settings">
          <Settings view={view} />
          <Place view={view} />
          <div class="generate-adapter">
            <ColumnHead column={column} removable={false} />
          </div>
          <Button icon="swap" onClick={() => ask('addColumn', {})}>
            {t('Other Adapter')}
          </Button>
        </div>
        {view.problem && <Problem text={view.problem} />}
      </header>
      <div class="generate-stage">
        <PictureCell view={view} column={column} row={row} cell={cellAt(view, column.id, row.id)} />
      </div>
      {view.history.length > 0 && (
        <section aria-labelledby="drawn">
          <h2 id="drawn">{t('Drawn here')}</h2>
          <div class="generate-history">
            {view.history.map(({ key, source, prompt, seed }) => (
              <button
                key={key}
                type="button"
                title={t('{0}, seed {1}: take its settings again', prompt, seed)}
                onClick={() => ask('recall', { key })}
              >
                <Picture lazy source={source} description={t('{0}, seed {1}', prompt, seed)} />
              </button>
            ))}
          </div>
        </section>
      )}
    </div>
  );
}
