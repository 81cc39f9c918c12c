import '../ui/ui.css';
import './compare.css';
import { t } from '../ui/l10n.ts';
import { mount } from '../ui/mount.ts';
import { ProgressRing } from '../ui/progress.tsx';
import { Bar } from './bar.tsx';
import { Generate } from './generate.tsx';
import { Grid } from './grid.tsx';
import { Pairs } from './pairs.tsx';
import { failure, open, ui, view } from './state.ts';

function App() {
  if (failure.value) return <p role="alert">{failure.value}</p>;
  const shown = view.value;
  if (!shown) return <ProgressRing label={t('Opening the comparison')} />;
  if (shown.mode === 'generate') return <Generate view={shown} />;
  return (
    <div class="compare">
      <Bar view={shown} />
      {ui.value.layout === 'grid' ? <Grid view={shown} /> : <Pairs view={shown} />}
    </div>
  );
}

mount(<App />);
void open();
