import { expect, test } from 'vitest'
import { dedented, sql } from './text.ts'

test('text loses the indent that all its lines share, and keeps the rest', () => {
  expect(dedented('\n      SELECT 1\n        FROM t\n    ')).toBe('SELECT 1\n  FROM t')
  expect(dedented('SELECT 1')).toBe('SELECT 1')
})

test('what stands in a template keeps its lines, under the line that it stands in', () => {
  const inner = sql`
    (
      SELECT 1
    )`
  expect(sql`
    SELECT *
    FROM ${inner}
    WHERE a = ${1}`).toBe('SELECT *\nFROM (\n  SELECT 1\n)\nWHERE a = 1')
})
