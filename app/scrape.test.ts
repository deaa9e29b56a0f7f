import { expect, test } from 'vitest'
import { manualClock } from '../lib/clock.ts'
import { inTimeForScrape } from './scrape.ts'

const never = new Promise<number>(() => {})

test('an answer in time is passed on, and so is a failure', async () => {
  const clock = manualClock(0)
  expect(await inTimeForScrape(Promise.resolve(7), clock)).toBe(7)
  await expect(inTimeForScrape(Promise.reject(new Error('broken')), clock)).rejects.toThrow('broken')
})

test('who does not answer does not hold up the page', async () => {
  const clock = manualClock(0)
  const asked = inTimeForScrape(never, clock)
  const failed = expect(asked).rejects.toMatchObject({ code: 'unavailable', retryable: true })
  await clock.advance(3_000)
  await failed
})
