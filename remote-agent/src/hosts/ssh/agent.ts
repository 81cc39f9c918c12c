import { execFile } from 'node:child_process';
import ssh2, { type ParsedKey } from 'ssh2';
import type { Identity } from './keys.ts';

/** Keys a running key agent holds, as far as this client knows their kind; none where no agent answers. */
export async function agentIdentities(socket: string | undefined): Promise<Identity[]> {
  if (!socket) return [];
  const agent = ssh2.createAgent(socket);
  const keys = await new Promise<readonly unknown[]>((resolve) => {
    agent.getIdentities((error, found) => resolve(error ? [] : (found ?? [])));
  });
  return (keys as ParsedKey[]).map((key) => ({
    name: `agent: ${key.comment || key.type}`,
    key,
    sign: (data, hash) =>
      new Promise((resolve, reject) => {
        const options = hash === undefined ? {} : { hash: hash as 'sha256' };
        agent.sign(key, data, options, (error, signature) =>
          error || !signature ? reject(error ?? new Error('the agent refused')) : resolve(signature),
        );
      }),
  }));
}

/** Kinds of keys in the agent that only the system's `ssh` can use: hardware keys and certificates. */
export function foreignAgentKeys(socket: string | undefined): Promise<string[]> {
  if (!socket) return Promise.resolve([]);
  return new Promise((resolve) => {
    execFile('ssh-add', ['-L'], { env: { ...process.env, SSH_AUTH_SOCK: socket } }, (_error, stdout) => {
      const types = (stdout ?? '').split('\n').map((line) => line.split(' ')[0]!);
      resolve(types.filter((type) => /^sk-|-cert-v01@/.test(type)));
    });
  });
}
