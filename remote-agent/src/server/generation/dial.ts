import { connect, type Socket } from 'node:net';
import type { Ask } from './messages.ts';

/** Connects to a generator's socket; `undefined` where nobody answers there. */
export function dial(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.on('error', () => resolve(undefined));
  });
}

/** Says one thing to a generator and waits for no answer. */
export function sayToGenerator(path: string, ask: Ask): void {
  void dial(path).then((socket) => socket?.end(`${JSON.stringify(ask)}\n`));
}
