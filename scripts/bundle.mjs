import { root } from './install.mjs';

/** The trainer, and the threads that it starts from beside it. */
export const trainerPrograms = {
  trainer: 'remote-agent/src/jobs/trainer-main.ts',
  'noise-worker': 'remote-agent/src/training/noise-worker.ts',
  'optimizer-worker': 'remote-agent/src/training/optimizer-worker.ts',
};

/** Programs of the agent: they run here and on hosts. */
export const agentPrograms = {
  ...trainerPrograms,
  agent: 'remote-agent/src/server/main.ts',
  'device-probe': 'remote-agent/src/jobs/device-probe-main.ts',
};

/** Dependencies that are CommonJS ask for Node's own modules through `require`. */
export const requireLines = [
  "import { createRequire as makeRequire } from 'node:module';",
  'const require = makeRequire(import.meta.url);',
];

/**
 * Bundles programs of the project for Node; packages stay outside unless the options say otherwise. The library is
 * loaded here, not above: it may have to be installed first.
 */
export async function bundle(options) {
  const { build } = await import('esbuild');
  return build({
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    ...(options.external ? {} : { packages: 'external' }),
    ...options,
  });
}
