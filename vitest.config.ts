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
    projects: [
      {
        test: {
          ...common,
          name: 'units',
          include: ['remote-agent/test/**/*.test.ts', 'test/extension/**/*.test.ts'],
          poolOptions: { forks: { maxForks: 2 } },
        },
      },
      {
        test: {
          ...common,
          name: 'editor',
          include: ['test/editor/**/*.test.ts'],
          expect: { poll: { timeout: 30_000, interval: 100 } },
          globalSetup: ['test/editor/setup.ts'],
          // A person looks at one window at a time, and a busy machine makes windows slow: one by one, after the rest.
          poolOptions: { forks: { maxForks: 1 } },
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
