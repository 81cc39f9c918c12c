import type { LinkSettings } from '../../test/hosts/slow-link.ts';
import { eventTimes, eventTimesBesideSamples, linkedHost, listingTimes, sendingCost } from '../link-run.ts';
import { markdown, type Section } from '../section.ts';

interface LinkRow {
  readonly link: string;
  /** What the link itself takes, in ms. */
  readonly own: number;
  readonly events: number;
  /** From the trainer's log to the client, in ms. */
  readonly median: number;
  readonly p99: number;
  readonly worst: number;
  /** Processor time of the host for 20 samples of 1.5 MB a minute, as a share of that minute. */
  readonly sampleCost?: number;
  /** How fast the samples came that were under way. */
  readonly bytesPerSecond?: number;
  /** How long the list of 200 jobs takes, in ms: the first time, and at worst later. */
  readonly listing?: { readonly first: number; readonly later: number };
}

interface Link {
  readonly name: string;
  readonly settings: LinkSettings;
  readonly stallMs: number;
  /** Whether samples come home meanwhile. */
  readonly samples?: boolean;
  /** Whether a long history is listed afterwards. */
  readonly lists?: boolean;
}

const links: readonly Link[] = [
  { name: 'loopback', settings: {}, stallMs: 0 },
  { name: '80 ms, 1 MB/s', settings: { delayMs: 80, bytesPerSecond: 1e6 }, stallMs: 0, lists: true },
  {
    name: '80 ms, 1 MB/s, samples of 1.5 MB under way',
    settings: { delayMs: 80, bytesPerSecond: 1e6 },
    stallMs: 0,
    samples: true,
  },
  { name: 'loopback, stalled for 0.3 s', settings: {}, stallMs: 300 },
  { name: 'loopback, stalled for 3 s', settings: {}, stallMs: 3000 },
  { name: 'loopback, stalled for 30 s', settings: {}, stallMs: 30_000 },
];

/** Events of a running trainer on their way from a host through a real SSH server; see the link in test/hosts. */
export const link: Section<LinkRow> = {
  name: 'link',
  async measure({ root, say }) {
    const rows: LinkRow[] = [];
    for (const { name, settings, stallMs, samples, lists } of links) {
      const host = await linkedHost(settings);
      try {
        const { times, bytesPerSecond } = samples
          ? await eventTimesBesideSamples(host, root, 400, 1.5e6)
          : {
              bytesPerSecond: undefined,
              times: await eventTimes(host, root, 250, () => {
                if (stallMs > 0) host.link.stall(stallMs);
              }),
            };
        const sorted = [...times].sort((a, b) => a - b);
        const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
        const own = stallMs + (settings.delayMs ?? 0);
        const cost = name === 'loopback' ? { sampleCost: (await sendingCost(host, 20, 1.5e6)) / 60 } : {};
        const [first, ...later] = lists ? await listingTimes(host, 200) : [];
        const row = {
          link: name,
          own,
          events: times.length,
          median: at(0.5),
          p99: at(0.99),
          worst: at(1),
          ...cost,
          ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
          ...(first === undefined ? {} : { listing: { first, later: Math.max(...later) } }),
        };
        rows.push(row);
        say(`link ${name}: median ${row.median} ms, p99 ${row.p99} ms, worst ${row.worst} ms`);
      } finally {
        await host.close();
      }
    }
    return rows;
  },
  table(rows) {
    const cost = rows.find((r) => r.sampleCost !== undefined)?.sampleCost;
    const table = markdown(
      ['link', 'events', 'median, ms', 'p99, ms', 'worst, ms', "worst over the link's own, ms"],
      rows.map((r) => [r.link, r.events, r.median, r.p99, r.worst, r.worst - r.own]),
    );
    const speed = rows.find((r) => r.bytesPerSecond !== undefined)?.bytesPerSecond;
    const listed = rows.find((r) => r.listing)?.listing;
    const words = [
      ...(listed
        ? [
            `Over the link of 80 ms and 1 MB/s the list of 200 jobs takes ${listed.first.toFixed(0)} ms the first time, ${listed.later.toFixed(0)} ms at worst in nine more.`,
          ]
        : []),
      ...(speed === undefined ? [] : [`The samples under way came at ${(speed / 1e6).toFixed(2)} MB/s.`]),
      ...(cost === undefined
        ? []
        : [`20 samples of 1.5 MB a minute cost the host ${(100 * cost).toFixed(2)} % of a core.`]),
    ];
    return words.length === 0 ? table : `${table}\n\n${words.join(' ')}`;
  },
};
