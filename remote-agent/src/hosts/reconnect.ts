/** Where a link is. */
export type LinkState =
  | { readonly at: 'connecting'; readonly attempt: number }
  | { readonly at: 'connected' }
  | { readonly at: 'waiting'; readonly attempt: number; readonly delayMs: number }
  | { readonly at: 'stopped'; readonly reason: 'user' | 'refused' };

export type LinkEvent =
  | { readonly type: 'opened' }
  /** `final`: trying again cannot help (wrong key, changed host key, no agent). `random`: in [0, 1), for the jitter. */
  | { readonly type: 'lost'; readonly final: boolean; readonly random: number }
  | { readonly type: 'waited' }
  | { readonly type: 'now' }
  | { readonly type: 'stop' };

const [firstMs, mostMs] = [500, 30_000];

/** The next state of a link: waits grow from half a second to half a minute, drawn from their upper half, endlessly. */
export function nextLink(state: LinkState, event: LinkEvent): LinkState {
  if (state.at === 'stopped' && event.type !== 'now') return state;
  const attempt = 'attempt' in state ? state.attempt : 0;
  switch (event.type) {
    case 'opened':
      return { at: 'connected' };
    case 'lost': {
      if (event.final) return { at: 'stopped', reason: 'refused' };
      const full = Math.min(mostMs, firstMs * 2 ** attempt);
      return { at: 'waiting', attempt: attempt + 1, delayMs: Math.round(full * (0.5 + event.random / 2)) };
    }
    case 'waited':
    case 'now':
      return state.at === 'connected' ? state : { at: 'connecting', attempt };
    case 'stop':
      return { at: 'stopped', reason: 'user' };
  }
}
