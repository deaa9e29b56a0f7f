import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** Recorded data beside the project; it is never part of it. */
const ROOT = new URL('../../../shared/data/', import.meta.url)

/** How long a test of real data may take on a machine that has other things to do. */
export const PATIENCE_MS = 240_000

/** Whether the data set is there; says so on stderr when it is not, because its tests are then skipped. */
export function hasData(set: string): boolean {
  const found = existsSync(new URL(`${set}/dev/`, ROOT))
  if (!found)
    console.warn(`SKIPPED: no ../shared/data/${set}: what the product makes of this real data is NOT tested here`)
  return found
}

export const namesIn = (folder: string): string[] => readdirSync(new URL(folder, ROOT)).sort()

const textOf = (name: string): string => {
  const bytes = readFileSync(new URL(name, ROOT))
  return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
}

export const readJson = <T>(name: string): T => JSON.parse(textOf(name)) as T

export const readJsonLines = <T>(name: string): T[] =>
  textOf(name)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)

/** Rows of a CSV file with a head line. No field of these files is quoted, and none may be. */
export function readCsv<Field extends string>(name: string): Record<Field, string>[] {
  const text = textOf(name)
  if (text.includes('"')) throw new Error(`${name} has quoted fields`)
  const [head = [], ...rows] = text
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .map((line) => line.split(','))
  return rows.map((row) => Object.fromEntries(head.map((field, i) => [field, row[i] ?? '']))) as Record<Field, string>[]
}
