import { expect, test } from 'vitest'
import { unzipped } from './unzip.mts'
import { zipOf } from './zip.mts'

const entry = (path: string, text: string) => ({ path, body: Buffer.from(text) })

test('what goes into the zip comes out of it', () => {
  const files = { 'andon-app/a.txt': 'a'.repeat(10_000), 'andon-app/empty': '', 'andon-app/é.json': '{"é":1}' }
  const found = unzipped(zipOf(Object.entries(files).map(([path, text]) => entry(path, text))))
  expect(Object.fromEntries(Object.entries(found).map(([path, body]) => [path, body.toString()]))).toEqual(files)
})

test('equal files make an equal zip, whatever their order', () => {
  const files = [entry('b', '2'), entry('a', '1')]
  expect(zipOf(files).equals(zipOf([...files].reverse()))).toBe(true)
})
