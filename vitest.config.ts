import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['remote-agent/test/**/*.test.ts', 'test/extension/**/*.test.ts'],
    // ONNX Runtime blocks its thread and aborts a terminated worker: every file gets a process of its own.
    pool: 'forks',
    poolOptions: { forks: { maxForks: 2 } },
    // Numerics on a busy machine take their time; a hang is still a failure.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    allowOnly: false,
  },
});
