import type { Hosts } from '../hosts/hosts.ts';
import { basesOf } from '../hosts/known-bases.ts';
import { noHostYet } from '../hosts/no-host.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import type { Services } from '../runs/services.ts';
import { lastHosts } from '../subject/where.ts';
import { usualPlace } from './usual-place.ts';

/** Where pictures were sent, by the host of their adapters' runs; those of no run under the empty name. */
const key = 'para.drawnOn';
type Chosen = Readonly<Record<string, string>>;

type Asking = Pick<Services, 'context'> & { readonly hosts: Pick<Hosts, 'names' | 'status'> };
type Applied = { readonly run?: { readonly host: string } | undefined };

/** The host that has the runs of all adapters, where that is one; adapters of no run go anywhere. */
function ownHost(adapters: readonly Applied[]): string | undefined {
  const hosts = new Set(adapters.flatMap(({ run }) => run?.host ?? []));
  return hosts.size === 1 ? [...hosts][0] : undefined;
}

/**
 * Where to draw with adapters on a base: where the person sent such pictures last, else where the runs are.
 * @throws ParaError `host` where there is no place at all
 */
export function placeFor({ context, hosts }: Asking, adapters: readonly Applied[], base: string): string {
  const chosen = context.globalState.get<Chosen>(key) ?? {};
  const own = ownHost(adapters);
  const place = usualPlace({
    names: hosts.names(),
    wanted: [...(own ? [chosen[own], own] : []), chosen[''], ...lastHosts(context), thisMachine],
    failed: (name) => hosts.status(name).at === 'failed',
    hasBase: (name) => basesOf(context.globalState, name)?.includes(base),
  });
  if (place === undefined) throw noHostYet();
  return place;
}

/** Pictures with such adapters are drawn there from now on. */
export async function rememberPlace(
  { context }: Pick<Services, 'context'>,
  adapters: readonly Applied[],
  place: string,
): Promise<void> {
  const chosen = context.globalState.get<Chosen>(key);
  await context.globalState.update(key, { ...chosen, [ownHost(adapters) ?? '']: place });
}
