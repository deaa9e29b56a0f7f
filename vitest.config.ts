import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dashboards/plugin/**'],
    pool: 'forks', // the embedded engine is native code: one process per file keeps a crash in one file
    maxWorkers: 2, // tests start engines, brokers and browsers of their own: more at a time are slow and late
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
