import '../ui/ui.css';
import './run.css';
import { t } from '../ui/l10n.ts';
import { mount } from '../ui/mount.ts';
import { ProgressRing } from '../ui/progress.tsx';
import { Details } from './details.tsx';
import { Head } from './head.tsx';
import { LossChart } from './loss-chart.tsx';
import { PinnedPictures } from './pinned.tsx';
import { Samples } from './samples.tsx';
import { failure, open, view } from './state.ts';

function App() {
  if (failure.value) return <p role="alert">{failure.value}</p>;
  if (!view.value) return <ProgressRing label={t('Opening the run')} />;
  return (
    <div class="run">
      <Head run={view.value} />
      <div class="run-parts">
        <LossChart run={view.value} />
        <Samples run={view.value} />
      </div>
      <PinnedPictures pinned={view.value.pinned} />
      <Details run={view.value} />
    </div>
  );
}

mount(<App />);
void open();
