import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { silentLog } from '../lib/log.ts'
import { busContract } from './contract.fixtures.ts'
import { createMemoryBus } from './memory.ts'

const bus = createMemoryBus({ log: silentLog })

describe('the bus inside the process', () => {
  busContract(`memory-${randomUUID()}`, async () => ({ ...bus, close: async () => {} }), {
    takeoverMs: 100,
    dropBefore: async (...given) => bus.dropBefore(...given),
  })
})
