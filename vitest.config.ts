import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: 'test/tsconfig.json' },
    include: ['test/**/*.test.ts'],
    // Tests run what users run: the built package, loaded by Node itself.
    server: { deps: { external: [/\/dist\//] } },
    // The long form runs for hours, beside itself.
    testTimeout: process.env.FAULTS === 'long' ? 4 * 3_600_000 : 30_000,
    hookTimeout: 30_000,
    // Two cores: the store under test runs threads of its own.
    maxWorkers: 2,
  },
});
