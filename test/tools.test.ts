import { expect, test } from 'vitest'
import { haveTools } from './tools.ts'

const WHAT = { packages: 'prometheus', unchecked: 'the rules are NOT checked' }

test('a tool that is missing is skipped, except in CI where apt could have installed it', () => {
  expect(haveTools([], WHAT, { onCi: true, hasApt: true })).toBe(true)
  expect(haveTools(['promtool'], WHAT, { onCi: false, hasApt: true })).toBe(false)
  expect(haveTools(['promtool'], WHAT, { onCi: true, hasApt: false })).toBe(false)
  expect(() => haveTools(['promtool'], WHAT, { onCi: true, hasApt: true })).toThrow(
    'CI must have what .ci/run installs, and there is no promtool: the rules are NOT checked (apt-get install prometheus)',
  )
})
