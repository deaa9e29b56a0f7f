import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dashboards/plugin/**'],
    pool: 'forks', // the embedded engine is native code: one process per file keeps a crash in one file
    maxWorkers: 3, // on two cores: tests wait for engines, brokers and browsers as much as they compute
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
