import {
  type Contract,
  type NoticeHandlers,
  type Params,
  problemOf,
  type RequestName,
  type Result,
  type ToExtension,
  type ToView,
} from '../contract/kernel.ts';

/** A request that failed; the message is for people. */
export class RequestFailure extends Error {
  constructor(
    message: string,
    readonly cancelled: boolean,
  ) {
    super(message);
  }
}

/** The extension, as a view sees it. */
export interface Host<C extends Contract> {
  /** @throws RequestFailure */
  call<N extends RequestName<C>>(name: N, params: Params<C, N>, signal?: AbortSignal): Promise<Result<C, N>>;
}

interface Waiting {
  readonly name: string;
  resolve(result: never): void;
  reject(cause: Error): void;
}

const api = acquireVsCodeApi<unknown>();

/** Connects a view to the extension: once a page. */
export function connect<C extends Contract>(contract: C, handlers: NoticeHandlers<C>): Host<C> {
  const waiting = new Map<number, Waiting>();
  let last = 0;
  window.addEventListener('message', ({ data }: MessageEvent<ToView>) => {
    if ('notice' in data) {
      const schema = contract.notices[data.notice];
      const problem = schema ? problemOf(schema, data.params) : 'there is no such notice';
      if (problem) throw new TypeError(`${data.notice}: ${problem}`);
      (handlers as Record<string, (params: unknown) => void>)[data.notice]!(data.params);
      return;
    }
    const request = waiting.get(data.id);
    waiting.delete(data.id);
    if (!request) return;
    if ('failure' in data) return request.reject(new RequestFailure(data.failure, data.cancelled));
    const problem = problemOf(contract.requests[request.name]!.result, data.result);
    if (problem) request.reject(new RequestFailure(`${request.name}: ${problem}`, false));
    else request.resolve(data.result as never);
  });
  const post = (message: ToExtension) => api.postMessage(message);
  return {
    call: (name, params, signal) =>
      new Promise((resolve, reject) => {
        const id = ++last;
        waiting.set(id, { name, resolve, reject });
        post({ id, request: name, params });
        signal?.addEventListener('abort', () => post({ cancel: id }), { once: true });
      }),
  };
}

/** State of the page that outlives hiding and reloading: where one looks, never what is shown. */
export const uiState = {
  read: <T>(fallback: T): T => ({ ...fallback, ...(api.getState() as Partial<T> | undefined) }),
  write: (state: unknown): void => {
    api.setState(state);
  },
};
