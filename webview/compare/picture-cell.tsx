import { useState } from 'preact/hooks';
import type { Cell, Column, ComparisonView, Row } from '../contract/compare.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { Icon } from '../ui/icons.tsx';
import { t } from '../ui/l10n.ts';
import { Picture } from '../ui/picture.tsx';
import { PictureDialog } from '../ui/picture-dialog.tsx';
import { ProgressBar } from '../ui/progress.tsx';
import { ask, sharedProblems } from './state.ts';

interface PictureCellProps {
  readonly view: ComparisonView;
  readonly column: Column;
  readonly row: Row;
  readonly cell: Cell | undefined;
}

/** One picture: as it is drawn, when it is there, and what can be done with it. */
export function PictureCell({ view, column, row, cell }: PictureCellProps) {
  const [full, setFull] = useState(false);
  const at = { column: column.id, row: row.id };
  const name = t('{0}: {1}', column.label, row.text);
  const done = cell?.state === 'done';
  return (
    <div class="compare-cell" data-state={cell?.state ?? 'missing'} aria-busy={cell?.state === 'drawing'}>
      {cell?.source ? (
        <button
          type="button"
          class="compare-open"
          title={t('Show in full size')}
          disabled={!done}
          style={shapeOf(view)}
          onClick={() => setFull(true)}
        >
          <Picture source={cell.source} description={name} />
        </button>
      ) : (
        <Blank view={view} />
      )}
      {cell && <State view={view} cell={cell} />}
      {done && (
        <div class="compare-actions">
          <IconButton icon="copy" label={t('Copy as prompt')} onClick={() => ask('copyPrompt', at)} />
          <IconButton icon="save" label={t('Save as PNG')} onClick={() => ask('savePicture', at)} />
          {view.canPin && (
            <IconButton icon="pin" label={t('Pin to the run')} onClick={() => ask('pin', at)} />
          )}
        </div>
      )}
      {full && cell?.source && (
        <PictureDialog
          label={name}
          source={cell.source}
          onClose={() => setFull(false)}
          actions={
            <Button icon="save" onClick={() => ask('savePicture', at)}>
              {t('Save')}
            </Button>
          }
        />
      )}
    </div>
  );
}

/** Room of the picture's shape. */
const Blank = ({ view }: { readonly view: ComparisonView }) => (
  <div class="compare-blank" style={shapeOf(view)} />
);

/** Width to height of all pictures. */
function shapeOf({ settings, baseSize }: ComparisonView) {
  const width = settings.width ?? baseSize?.width ?? 1;
  const height = settings.height ?? baseSize?.height ?? 1;
  return { aspectRatio: `${width} / ${height}` };
}

function State({ view, cell }: { readonly view: ComparisonView; readonly cell: Cell }) {
  switch (cell.state) {
    case 'drawing':
      return (
        <div class="compare-state">
          <span>
            {cell.note ?? (cell.step === undefined ? t('begins') : `${cell.step} / ${cell.steps ?? ''}`)}
          </span>
          <ProgressBar label={t('Steps made')} value={cell.step ?? 0} maximum={cell.steps ?? 1} />
        </div>
      );
    case 'waiting':
      return (
        <div class="compare-state">
          <span>{t('waits')}</span>
        </div>
      );
    case 'failed':
      return sharedProblems(view).includes(cell.problem ?? '') ? (
        <div class="compare-state" title={cell.problem}>
          <Icon name="error" /> <span>{t('failed')}</span>
        </div>
      ) : (
        <div class="compare-state" role="alert" title={cell.problem}>
          <Icon name="error" /> <span>{cell.problem}</span>
        </div>
      );
    default:
      return null;
  }
}
