import { type DataFrameDTO, FieldType } from '@grafana/data'
import { rangeOf, type Scene } from './scenes.ts'

const HOUR = 3_600_000

/** What somebody noted on the dashboard, in the scene of one release: in the range, and long before it. */
export function annotationsOf(scene: Scene): DataFrameDTO[] {
  if (scene !== 'one') return []
  const { now } = rangeOf(scene)
  const fields = [
    { name: 'time', type: FieldType.time, values: [now - 2 * HOUR, now - 900 * HOUR] },
    { name: 'text', type: FieldType.string, values: ['Ledger was migrated', 'Long ago'] },
  ]
  return [{ fields }]
}
