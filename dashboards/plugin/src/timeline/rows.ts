import type { Lane } from './lanes.ts'

/** What stands under each other: lanes, and above those of one agent its name. Pixels from the top of the list. */
export type Row =
  | Readonly<{
      kind: 'agent'
      key: string
      y: number
      height: number
      environment: string
      agent: string
      release: ''
      releases: number
    }>
  | Readonly<{ kind: 'lane'; key: string; y: number; height: number; lane: Lane; index: number }>

export type Rows = Readonly<{ rows: readonly Row[]; height: number }>

export type Heights = Readonly<{ lane: number; agent: number }>

/** grouped: lanes come in order of agent and environment, and each group has a heading. */
export function rowsOf(lanes: readonly Lane[], heights: Heights, grouped: boolean): Rows {
  const rows: Row[] = []
  let y = 0
  lanes.forEach((lane, index) => {
    const before = lanes[index - 1]
    if (grouped && (before?.agent !== lane.agent || before.environment !== lane.environment)) {
      const { agent, environment } = lane
      const releases = lanes.filter((other) => other.agent === agent && other.environment === environment).length
      rows.push({
        kind: 'agent',
        key: `${environment}\u001f${agent}`,
        y,
        height: heights.agent,
        environment,
        agent,
        release: '',
        releases,
      })
      y += heights.agent
    }
    rows.push({ kind: 'lane', key: lane.key, y, height: heights.lane, lane, index })
    y += heights.lane
  })
  return { rows, height: y }
}

/** The rows to draw: those in sight and `spare` pixels above and below, so that scrolling finds them there. */
export function rowsInSight({ rows }: Rows, top: number, height: number, spare: number): Row[] {
  return rows.slice(firstBelow(rows, top - spare), firstBelow(rows, top + height + spare, 'start'))
}

/** Index of the first row whose end (or start) lies below y; a search by halves, as a list may have thousands. */
function firstBelow(rows: readonly Row[], y: number, edge: 'start' | 'end' = 'end'): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const row = rows[middle]!
    if ((edge === 'start' ? row.y : row.y + row.height) > y) high = middle
    else low = middle + 1
  }
  return low
}

export const laneAt = ({ rows }: Rows, y: number): Row | null => {
  const row = rows[firstBelow(rows, y)]
  return row && row.y <= y ? row : null
}

/** Where to scroll so that a row is in sight, under a heading that may stick at the top. */
export function scrolledTo(row: Row, top: number, height: number, headroom: number): number {
  if (row.y - headroom < top) return Math.max(0, row.y - headroom)
  if (row.y + row.height > top + height) return row.y + row.height - height
  return top
}
