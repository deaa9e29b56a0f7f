import { expect, test } from 'vitest'
import { isWrite } from '../../api/route.ts'
import { declaredRoutes } from '../../api/routes.ts'
import { fuzz } from './fuzz.ts'

/** The short form; the long one is `node bench/fuzz.ts --minutes 10`. */
const REQUESTS = 700

test('whatever is sent to any route, there is no 500, and no secret or identity in answers, log, metrics or store', async () => {
  const { answers, faults } = await fuzz(1, (requests) => requests >= REQUESTS)
  expect(faults).toEqual([])
  for (const route of declaredRoutes()) {
    const statuses = Object.keys(answers[route.id] ?? {}).map(Number)
    expect(statuses, `${route.id} was never asked`).not.toEqual([])
    if (!isWrite(route)) continue
    expect(
      statuses.some((status) => status === 401 || status === 403 || status === 422 || status === 400),
      route.id,
    ).toBe(true)
  }
}, 240_000)
