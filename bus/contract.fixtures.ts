import { afterAll, beforeAll, expect, test } from 'vitest'
import { wallClock } from '../lib/clock.ts'
import { after, type Bus, type BusRecord, between, type Membership, partitionKey, type Term } from './bus.ts'

/**
 * What every bus promises. `name` keeps the topics of one run apart on a broker that outlives it; `dropBefore` makes a partition keep no
 * record before an offset, as retention does.
 */
export function busContract(
  name: string,
  open: () => Promise<Bus>,
  {
    takeoverMs,
    dropBefore,
  }: Readonly<{ takeoverMs: number; dropBefore: (topic: string, partition: number, offset: number) => Promise<void> }>,
): void {
  let bus: Bus
  let other: Bus
  let made = 0
  beforeAll(async () => {
    bus = await open()
    other = await open()
  }, 120_000)
  afterAll(async () => {
    await bus?.close()
    await other?.close()
  })

  const freshTopic = async (partitions: number): Promise<string> => {
    const topic = `${name}-${++made}`
    await bus.createTopics([{ topic, partitions }])
    return topic
  }
  const text = (record: BusRecord) => Buffer.from(record.value).toString()
  const sendTexts = async (topic: string, texts: readonly string[]) => {
    for (const value of texts) await bus.send(topic, [{ value: Buffer.from(value) }])
  }

  /** Leads until closed; hands over each term. */
  const leading = (on: Bus, group: string, topic: string, name?: string) => {
    const terms: Term[] = []
    const waiting: ((term: Term) => void)[] = []
    const joined = on.lead({
      group,
      topics: [topic],
      ...(name !== undefined && { name }),
      run: async (term) => {
        terms.push(term)
        for (const tell of waiting.splice(0)) tell(term)
        await new Promise<void>((resolve) => {
          if (term.signal.aborted) resolve()
          else term.signal.addEventListener('abort', () => resolve(), { once: true })
        })
      },
    })
    return {
      terms,
      joined,
      next: () => new Promise<Term>((resolve) => waiting.push(resolve)),
    }
  }
  const read = async (term: Term, count: number, maxBytes = 1 << 20): Promise<BusRecord[]> => {
    const records: BusRecord[] = []
    const untilMs = wallClock.nowMs() + 15_000
    while (records.length < count && wallClock.nowMs() < untilMs)
      records.push(...(await term.poll({ maxBytes, waitMs: 500 })))
    return records
  }

  test('what was sent is read once, in order within its partition, with headers and bytes as they were', async () => {
    const topic = await freshTopic(3)
    const bytes = Buffer.from([0x0a, 0, 255, 128])
    await bus.send(topic, [{ value: bytes, headers: { reason: 'tenant ü' } }])
    await sendTexts(
      topic,
      Array.from({ length: 30 }, (_, i) => `${i}`),
    )
    const member = leading(bus, `${topic}-g`, topic)
    const first = member.next()
    const membership = await member.joined
    const term = await first
    expect(Object.values(await term.seek({}))).toEqual([0, 0, 0])
    const records = await read(term, 31)
    expect(records).toHaveLength(31)
    expect(new Set(records.map((record) => `${record.partition} ${record.offset}`)).size).toBe(31)
    for (const [, part] of Map.groupBy(records, (record) => record.partition)) {
      const offsets = part.map((record) => record.offset)
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
    }
    const whole = records.find((record) => record.headers.reason)!
    expect([...whole.value]).toEqual([...bytes])
    expect(whole.headers.reason).toBe('tenant ü')
    expect(
      records
        .filter((record) => !record.headers.reason)
        .map(text)
        .sort(),
    ).toEqual(Array.from({ length: 30 }, (_, i) => `${i}`).sort())
    expect(membership.lag()).toEqual({ [topic]: 0 })
    expect((await bus.bounds(topic)).reduce((sum, part) => sum + part.next, 0)).toBe(31)
    await membership.close()
    expect(membership.isLeading()).toBe(false)
  })

  test('a seek goes back as far as it says, and what comes after it is read again', async () => {
    const topic = await freshTopic(2)
    await sendTexts(topic, ['a', 'b', 'c', 'd', 'e', 'f'])
    const member = leading(bus, `${topic}-g`, topic)
    const first = member.next()
    const membership = await member.joined
    const term = await first
    await term.seek({})
    const all = await read(term, 6)
    await term.seek(after({}, all))
    await sendTexts(topic, ['g'])
    expect((await read(term, 1)).map(text)).toEqual(['g'])
    await term.seek(
      Object.fromEntries(
        all.slice(0, 1).map((record) => [partitionKey(record.topic, record.partition), record.offset]),
      ),
    )
    expect((await read(term, 7)).map(text).sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g'])
    await membership.close()
  })

  test('records come in portions, at least one at a time', async () => {
    const topic = await freshTopic(1)
    await sendTexts(topic, ['aaaa', 'bbbb', 'cccc'])
    const member = leading(bus, `${topic}-g`, topic)
    const first = member.next()
    const membership = await member.joined
    const term = await first
    await term.seek({})
    await read(term, 1, 1).then((records) => expect(records.map(text)).toEqual(['aaaa']))
    expect((await read(term, 2, 8)).map(text)).toEqual(['bbbb', 'cccc'])
    await membership.close()
  })

  test('one member leads; when it leaves, the other goes on where it committed', { timeout: 60_000 }, async () => {
    const topic = await freshTopic(4)
    await sendTexts(topic, ['1', '2', '3', '4', '5', '6', '7', '8'])
    const group = `${topic}-g`
    expect(await other.leaderOf(group)).toBe(null)
    const one = leading(bus, group, topic, 'one')
    const firstTerm = one.next()
    const oneMembership = await one.joined
    const two = leading(other, group, topic, 'two')
    let twoMembership: Membership | null = await two.joined
    await firstTerm
    await wallClock.sleep(1_500)
    expect(two.terms).toHaveLength(0)
    expect([oneMembership.isMember(), twoMembership.isMember()]).toEqual([true, true])
    expect(await other.leaderOf(group)).toEqual({ name: 'one' })
    const term = one.terms.at(-1)!
    expect(term.isCurrent()).toBe(true)
    await term.seek(await term.committed())
    const records = await read(term, 8)
    await term.commit(after({}, records))
    const takenOver = two.next()
    const sinceMs = wallClock.nowMs()
    await oneMembership.close()
    expect(term.isCurrent()).toBe(false)
    expect(oneMembership.isLeading()).toBe(false)
    expect(await term.poll({ maxBytes: 1, waitMs: 0 })).toEqual([])
    const next = await takenOver
    expect(wallClock.nowMs() - sinceMs).toBeLessThan(takeoverMs)
    expect(await bus.leaderOf(group)).toEqual({ name: 'two' })
    await next.seek(await next.committed())
    await sendTexts(topic, ['9'])
    expect((await read(next, 1)).map(text)).toEqual(['9'])
    await twoMembership.close()
    twoMembership = null
  })

  test('a shared topic is divided: every partition has one term, and whoever stays takes over what is left', {
    timeout: 60_000,
  }, async () => {
    const topic = await freshTopic(4)
    for (const partition of [0, 1, 2, 3])
      await bus.send(topic, [{ value: Buffer.from(`first ${partition}`), partition }])
    const seen: { member: number; partition: number; text: string }[] = []
    const join = (on: Bus, member: number) =>
      on.share({
        group: `${topic}-g`,
        topic,
        run: async (term, partition) => {
          await term.seek(await term.committed())
          while (!term.signal.aborted)
            for (const record of await term.poll({ maxBytes: 1 << 20, waitMs: 200 })) {
              seen.push({ member, partition, text: text(record) })
              await term.commit({ [partitionKey(topic, partition)]: record.offset + 1 })
            }
        },
      })
    const members = [await join(bus, 0), await join(other, 1)]
    const inOrder = () => seen.map((one) => `${one.text} by ${one.partition}`).sort()
    await expect.poll(inOrder, { timeout: 30_000 }).toEqual([0, 1, 2, 3].map((n) => `first ${n} by ${n}`))
    await expect.poll(() => members.map((member) => member.terms()), { timeout: 30_000 }).toEqual([2, 2])
    expect(members.every((member) => member.isLeading())).toBe(true)
    await members[0]!.close()
    await expect.poll(() => members[1]!.terms(), { timeout: 30_000 }).toBe(4)
    seen.splice(0)
    for (const partition of [0, 1, 2, 3])
      await bus.send(topic, [{ value: Buffer.from(`second ${partition}`), partition }])
    await expect.poll(inOrder, { timeout: 30_000 }).toEqual([0, 1, 2, 3].map((n) => `second ${n} by ${n}`))
    expect(new Set(seen.map((one) => one.member))).toEqual(new Set([1]))
    await members[1]!.close()
  })

  test('a record larger than the topic takes is refused for good', async () => {
    const topic = await freshTopic(1)
    const { randomBytes } = await import('node:crypto')
    await expect(bus.send(topic, [{ value: randomBytes(3 << 20) }])).rejects.toMatchObject({
      code: 'too_large',
      retryable: false,
    })
  })

  test('work that fails is called again while the member leads', async () => {
    const topic = await freshTopic(1)
    let calls = 0
    const again = Promise.withResolvers<void>()
    const membership = await bus.lead({
      group: `${topic}-g`,
      topics: [topic],
      run: async () => {
        if (++calls === 1) throw new Error('not yet')
        again.resolve()
      },
    })
    await again.promise
    await membership.close()
  })

  test('more than the inbox holds waits in the topic, and is read when there is room and for as long as the topic keeps it', {
    timeout: 60_000,
  }, async () => {
    const topic = await freshTopic(2)
    const { randomBytes } = await import('node:crypto')
    const value = randomBytes(900_000)
    for (let i = 0; i < 50; i++) await bus.send(topic, [{ value }])
    const member = leading(bus, `${topic}-g`, topic)
    const first = member.next()
    const membership = await member.joined
    const term = await first
    await term.seek({})
    await wallClock.sleep(1_500)
    expect(membership.lag()![topic]).toBeGreaterThan(0)
    const all = await read(term, 50, 4 << 20)
    expect(all).toHaveLength(50)

    // What a topic stops keeping while it waits is passed over.
    for (let i = 0; i < 50; i++) await bus.send(topic, [{ value }])
    await wallClock.sleep(1_500)
    const ends = await bus.bounds(topic)
    for (const { partition, next } of ends) await dropBefore(topic, partition, next - 1)
    const last = Object.fromEntries(ends.map(({ partition, next }) => [partitionKey(topic, partition), next - 1]))
    expect(await term.oldest()).toEqual(last)
    const kept: BusRecord[] = []
    while (
      ends.some(({ partition, next }) => !kept.some((one) => one.partition === partition && one.offset === next - 1))
    )
      kept.push(...(await read(term, 1, 4 << 20)))
    expect(kept.length).toBeLessThan(50)
    expect(await term.seek(after({}, all))).toEqual(last)
    expect(between(after({}, all), last)).toBe(48)
    expect((await read(term, 2)).map(({ offset }) => offset).sort()).toEqual(Object.values(last).sort())
    await membership.close()
  })
}
