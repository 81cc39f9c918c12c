import { useEffect, useState } from 'preact/hooks';
import type { Layer, RunEvent, RunView } from '../contract/run.ts';
import { Button } from '../ui/button.tsx';
import { TextField } from '../ui/fields.tsx';
import { Icon, type IconName } from '../ui/icons.tsx';
import { t } from '../ui/l10n.ts';
import { Scroller } from '../ui/scroller.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { host, isActive, look, ui } from './state.ts';

/** Events, log, settings, layers. */
export const Details = ({ run }: { readonly run: RunView }) => (
  <section class="run-part" aria-label={t('Details')}>
    <Tabs
      label={t('Details of the run')}
      active={ui.value.tab}
      onChange={(tab) => look({ tab })}
      tabs={[
        { id: 'events', label: t('Events'), content: () => <Events events={run.events} /> },
        { id: 'log', label: t('Log'), content: () => <Log run={run} /> },
        { id: 'settings', label: t('Settings'), content: () => <Settings run={run} /> },
        { id: 'layers', label: t('Layers'), content: () => <Layers run={run} /> },
      ]}
    />
  </section>
);

const icons: Record<RunEvent['kind'], IconName> = {
  info: 'info',
  checkpoint: 'flag',
  resumed: 'play',
  link: 'link',
  warning: 'warning',
  error: 'error',
};

function Events({ events }: { readonly events: readonly RunEvent[] }) {
  if (events.length === 0) return <p class="ui-quiet">{t('Nothing has happened yet.')}</p>;
  return (
    <Scroller class="run-events" label={t('Events')}>
      <ol>
        {[...events].reverse().map((event) => (
          <li key={`${event.time} ${event.text}`} data-kind={event.kind}>
            <Icon name={icons[event.kind]} />
            <time dateTime={event.time} title={new Date(event.time).toLocaleString()}>
              {when(new Date(event.time))}
            </time>
            <span>
              {event.text}
              {event.hint && <span class="ui-quiet"> {event.hint}</span>}
            </span>
          </li>
        ))}
      </ol>
    </Scroller>
  );
}

/** The time of day; of another day, that too. */
const when = (time: Date): string =>
  time.toDateString() === new Date().toDateString() ? time.toLocaleTimeString() : time.toLocaleString();

/** How often the log of a run that goes on is read again while it is in sight, in ms. */
const logEvery = 3000;

function Log({ run: { now, events } }: { readonly run: RunView }) {
  const [log, setLog] = useState<{ text: string; cut: boolean; note?: string | undefined }>();
  const goesOn = isActive(now);
  useEffect(() => {
    const read = () => {
      if (document.visibilityState === 'visible') host.call('log', {}).then(setLog, () => {});
    };
    read();
    const timer = goesOn ? setInterval(read, logEvery) : undefined;
    return () => clearInterval(timer);
  }, [events.length, goesOn]);
  if (!log) return null;
  const isEmpty = !log.text.trim();
  if (isEmpty && !log.note)
    return <p class="ui-quiet">{t('The log is empty: it holds what went wrong in detail.')}</p>;
  return (
    <>
      {log.note && <p class="ui-quiet">{log.note}</p>}
      {log.cut && <p class="ui-quiet">{t('Only its end is shown.')}</p>}
      {!isEmpty && (
        <Scroller class="run-log" label={t('Log')}>
          <pre>{log.text}</pre>
        </Scroller>
      )}
      <Button onClick={() => void host.call('act', { action: 'log' })}>{t('Open in Editor')}</Button>
    </>
  );
}

const Settings = ({ run }: { readonly run: RunView }) => (
  <div class="run-settings">
    {run.settings.map(({ title, rows }) => (
      <section key={title}>
        <h3>{title}</h3>
        <dl>
          {rows.map(({ name, value }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </section>
    ))}
  </div>
);

function Layers({ run: { now, events } }: { readonly run: RunView }) {
  const [found, setFound] = useState<{ layers: readonly Layer[]; note?: string | undefined }>();
  const [filter, setFilter] = useState('');
  // They are listed by the first adapter that is kept, which may come from a host a while after it was told of.
  const kept = events.filter(({ kind }) => kind === 'checkpoint').length;
  const looked = found?.layers.length ? 0 : now.step;
  useEffect(() => {
    host.call('layers', {}).then(setFound, (cause: Error) => setFound({ layers: [], note: cause.message }));
  }, [now.state, now.layers, kept, looked]);
  if (!found) return null;
  if (found.layers.length === 0) return <p class="ui-quiet">{found.note}</p>;
  const layers = found.layers.filter(({ path }) => path.includes(filter.trim()));
  return (
    <>
      <div class="ui-row run-tools">
        <TextField
          quiet
          label={t('Filter layers')}
          placeholder={t('Filter layers')}
          value={filter}
          onInput={setFilter}
          onCommit={setFilter}
        />
        <span class="ui-quiet" role="status">
          {t('{0} layers, {1} parameters', layers.length, sum(layers).toLocaleString())}
        </span>
      </div>
      <Scroller class="run-layers" label={t('Layers')}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t('Layer')}</th>
              <th scope="col">{t('Kind')}</th>
              <th scope="col">{t('Rank')}</th>
              <th scope="col">{t('Out')}</th>
              <th scope="col">{t('Parameters')}</th>
            </tr>
          </thead>
          <tbody>
            {layers.map((layer) => (
              <tr key={layer.path}>
                <th scope="row">{layer.path}</th>
                <td>{layer.kind}</td>
                <td>{layer.rank}</td>
                <td>{layer.outputs}</td>
                <td>{layer.parameters.toLocaleString()}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
    </>
  );
}

const sum = (layers: readonly Layer[]) => layers.reduce((all, { parameters }) => all + parameters, 0);
