import { expect, test } from 'vitest'
import { createMemoryBus } from '../bus/memory.ts'
import { silentLog } from '../lib/log.ts'
import { readOn } from './read-on.ts'

test('records that a topic stopped keeping are told once, and reading goes on behind them', async () => {
  const bus = createMemoryBus({ log: silentLog })
  await bus.createTopics([{ topic: 'findings', partitions: 1 }])
  const send = (text: string) => bus.send('findings', [{ value: Buffer.from(text) }])
  const lost: number[] = []
  const read = async () => {
    const texts = Promise.withResolvers<string[]>()
    const member = await bus.lead({
      group: 'alerter',
      topics: ['findings'],
      run: async (term) => {
        await readOn(term, { topics: ['findings'], onLost: (records) => void lost.push(records), log: silentLog })
        const records = await term.poll({ maxBytes: 1 << 20, waitMs: 0 })
        for (const { offset } of records) await term.commit({ 'findings/0': offset + 1 })
        texts.resolve(records.map(({ value }) => Buffer.from(value).toString()))
      },
    })
    const found = await texts.promise
    await member.close()
    return found
  }
  await send('first')
  expect(await read()).toEqual(['first'])
  for (const text of ['missed', 'missed too']) await send(text)
  bus.dropBefore('findings', 0, 3)
  expect(await read()).toEqual([])
  expect(await read()).toEqual([])
  expect(lost).toEqual([2])
  await send('second')
  expect(await read()).toEqual(['second'])
  expect(lost).toEqual([2])
})
