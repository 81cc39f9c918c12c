import '../ui/ui.css';
import './subject.css';
import type { SubjectView } from '../contract/subject.ts';
import { Button } from '../ui/button.tsx';
import { t } from '../ui/l10n.ts';
import { mount } from '../ui/mount.ts';
import { ProgressRing } from '../ui/progress.tsx';
import { Gallery } from './gallery.tsx';
import { Problem } from './problem.tsx';
import { Settings } from './settings.tsx';
import { attempt, failure, host, open, said, view } from './state.ts';
import { takeFiles } from './take-files.ts';

const act = (action: 'train' | 'text') => void attempt(() => host.call('act', { action }));

function App() {
  const subject = view.value;
  if (!subject)
    return failure.value ? (
      <p role="alert">{failure.value}</p>
    ) : (
      <ProgressRing label={t('Opening the subject')} />
    );
  return (
    <div class="subject">
      <header class="ui-row">
        <h1>{subject.name}</h1>
        <span class="ui-spread" />
        <Button onClick={() => act('text')}>{t('Open as Text')}</Button>
        <Button
          icon="play"
          kind="primary"
          disabled={subject.broken !== undefined || !subject.trusted}
          {...(subject.trusted ? {} : { title: t('Nothing is trained in a workspace that is not trusted') })}
          onClick={() => act('train')}
        >
          {t('Train')}
        </Button>
      </header>
      <p class="ui-hidden" role="status">
        {said.value}
      </p>
      {failure.value && <Problem kind="error" text={failure.value} />}
      {subject.broken ? <Problem kind="error" text={subject.broken} /> : <Parts subject={subject} />}
    </div>
  );
}

const Parts = ({ subject }: { readonly subject: SubjectView }) => (
  <>
    {subject.problems.map(({ severity, message }) => (
      <Problem key={message} kind={severity} text={message} />
    ))}
    <div class="subject-parts">
      <Gallery subject={subject} />
      <Settings groups={subject.groups} editable={subject.editable} />
    </div>
  </>
);

// A picture may be pasted wherever one is; a field takes text for itself.
window.addEventListener('paste', ({ clipboardData }) => {
  if (view.value?.editable && clipboardData && clipboardData.files.length > 0) void takeFiles(clipboardData);
});
// A picture that is dropped beside the gallery must not take the place of the view.
for (const kind of ['dragover', 'drop']) window.addEventListener(kind, (event) => event.preventDefault());

mount(<App />);
void open();
