import { defineConfig } from 'vitest/config';

const common = {
  // ONNX Runtime blocks its thread and aborts a terminated worker: every file gets a process of its own.
  pool: 'forks',
  // Numerics on a busy machine take their time; a hang is still a failure.
  testTimeout: 300_000,
  hookTimeout: 300_000,
} as const;

export default defineConfig({
  test: {
    allowOnly: false,
    // The tests of the editor need the machine for themselves; `npm test` runs the others two files at a time.
    poolOptions: { forks: { maxForks: 1 } },
    projects: [
      {
        test: {
          ...common,
          name: 'units',
          include: ['remote-agent/test/**/*.test.ts', 'test/extension/**/*.test.ts'],
        },
      },
      {
        test: {
          ...common,
          name: 'editor',
          include: ['test/editor/**/*.test.ts'],
          expect: { poll: { timeout: 30_000, interval: 100 } },
          globalSetup: ['test/editor/setup.ts'],
        },
      },
    ],
  },
});
