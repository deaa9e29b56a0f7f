import type { Lane } from './lanes.ts'
import { around, panned, type Range, zoomed } from './scale.ts'

/** What a key asks for; null = the key is not ours. */
export type Wish =
  | Readonly<{ kind: 'lane'; index: number }>
  | Readonly<{ kind: 'moment'; atMs: number }>
  | Readonly<{ kind: 'range'; range: Range }>
  | Readonly<{ kind: 'open' }>
  | Readonly<{ kind: 'close' }>
  | null

export type KeyState = Readonly<{
  lanes: readonly Lane[]
  /** Index of the chosen lane, -1 = none. */
  index: number
  /** The moment stood on, null = none. */
  atMs: number | null
  range: Range
  lanesInSight: number
}>

export type Key = Readonly<{ key: string; shiftKey: boolean; ctrlKey: boolean; metaKey: boolean; altKey: boolean }>

const MOVE_SHARE = 0.2
const ZOOM_FACTOR = 0.5

/** Keys of a list, and of time: up and down choose a lane, left and right a moment of it, plus and minus zoom, with shift the arrows move. */
export function wishOf({ key, shiftKey, ctrlKey, metaKey, altKey }: Key, state: KeyState): Wish {
  if (ctrlKey || metaKey || altKey) return null
  const { lanes, index, range, lanesInSight } = state
  const last = lanes.length - 1
  const lane = (to: number): Wish => (last < 0 ? null : { kind: 'lane', index: Math.min(last, Math.max(0, to)) })
  const aroundMs = state.atMs ?? (range.fromMs + range.toMs) / 2
  switch (key) {
    case 'ArrowDown':
      return lane(index + 1)
    case 'ArrowUp':
      return lane(index < 0 ? 0 : index - 1)
    case 'Home':
      return lane(0)
    case 'End':
      return lane(last)
    case 'PageDown':
      return lane(Math.max(0, index) + lanesInSight)
    case 'PageUp':
      return lane(Math.max(0, index) - lanesInSight)
    case 'ArrowLeft':
      return shiftKey ? { kind: 'range', range: panned(range, -MOVE_SHARE) } : moment(state, -1)
    case 'ArrowRight':
      return shiftKey ? { kind: 'range', range: panned(range, MOVE_SHARE) } : moment(state, 1)
    case '+':
    case '=':
      return { kind: 'range', range: zoomed(range, aroundMs, ZOOM_FACTOR) }
    case '-':
      return { kind: 'range', range: zoomed(range, aroundMs, 1 / ZOOM_FACTOR) }
    case 'f':
    case 'F':
      return fitted(lanes[index])
    case 'Enter':
    case ' ':
      return index < 0 ? lane(0) : { kind: 'open' }
    case 'Escape':
      return { kind: 'close' }
    default:
      return null
  }
}

/** The next moment of the chosen lane in one direction: its marks, else where its spans begin. */
function moment({ lanes, index, atMs, range }: KeyState, step: 1 | -1): Wish {
  const lane = lanes[index]
  if (!lane) return null
  const moments = stopsOf(lane).filter((ms) => ms >= range.fromMs && ms <= range.toMs)
  const next =
    step === 1 ? moments.find((ms) => atMs === null || ms > atMs) : moments.findLast((ms) => atMs === null || ms < atMs)
  return next === undefined ? null : { kind: 'moment', atMs: next }
}

const stopsOf = ({ marks, phases }: Lane): number[] =>
  [...new Set([...marks.map(({ atMs }) => atMs), ...phases.map(({ fromMs }) => fromMs)])].sort((a, b) => a - b)

/** The range that shows the latest incident of a lane whole. */
export function fitted(lane: Lane | undefined): Wish {
  const incident = lane?.incidents.at(-1)
  if (!lane || !incident) return null
  const moments = lane.marks.filter((mark) => mark.incident.id === incident.id).map(({ atMs }) => atMs)
  const range = around(moments)
  return range && { kind: 'range', range }
}
