import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'

const EXCLUDED = ['**/node_modules/**', 'dashboards/plugin/**']
/** Rooms whose tests leave nothing behind in their process: what they start (a listener, an engine) ends with each file. */
const ROOMS = [
  'alerts',
  'api',
  'bus',
  'collector',
  'dashboards/page',
  'detectors',
  'lib',
  'pipeline',
  'playbooks',
  'recount',
  'recovery',
  'releases',
  'store',
]

export default defineConfig({
  test: {
    globalSetup: 'test/temporary.ts',
    pool: 'forks', // the engine is native code, in a child of its worker
    maxWorkers: 3, // for two cores: elections, rebalances and browsers are waited for while others compute
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'rooms',
          include: ROOMS.map((room) => `${room}/**/*.test.ts`),
          exclude: EXCLUDED,
          isolate: false, // what they import is loaded once, not once a file
        },
      },
      {
        extends: true,
        test: {
          name: 'whole', // a process per file: nothing that one of them started or set reaches the next
          include: ['**/*.test.ts'],
          exclude: [...EXCLUDED, ...ROOMS.map((room) => `${room}/**`)],
        },
      },
    ],
  },
})
