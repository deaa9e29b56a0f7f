import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{src,test,package}/**/*.test.{ts,mts}'],
    server: { deps: { inline: [/@grafana\//] } },
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
