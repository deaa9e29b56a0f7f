import type { Evidence } from './model.ts'
import type { Scale } from './scale.ts'

export type Spark = Readonly<{
  /** SVG path of the line: evidence holds until the next point. */
  line: string
  /** The same closed down to zero, '' without a line. */
  area: string
  /** Where the line begins and ends. */
  fromX: number
  toX: number
}>

/** Beyond this share of the pause line nothing more is drawn: the release is lost anyway. */
export const TOP_SHARE = 1.25

/** The line of evidence in a box, 0 at its foot; one point per pixel (the highest), so that its cost is that of its width. */
export function sparkOf({ timesMs, shares }: Evidence, scale: Scale, height: number, endMs: number): Spark {
  const points = peaksOf(timesMs, shares, scale)
  if (points.length === 0) return { line: '', area: '', fromX: 0, toX: 0 }
  const yOf = (share: number) => round(height - (Math.min(TOP_SHARE, Math.max(0, share)) / TOP_SHARE) * height)
  const first = points[0]!
  let line = `M${round(first.x)} ${yOf(first.share)}`
  for (const { x, share } of points.slice(1)) line += `H${round(x)}V${yOf(share)}`
  const end = round(Math.max(points.at(-1)!.x, Math.min(scale.width, scale.xOf(endMs))))
  line += `H${end}`
  return { line, area: `${line}V${height}H${round(first.x)}Z`, fromX: round(first.x), toX: end }
}

type Point = Readonly<{ x: number; share: number }>

/** Points in the range and the last one before it, which still holds at its start. */
function peaksOf(timesMs: readonly number[], shares: readonly number[], scale: Scale): Point[] {
  const points: Point[] = []
  let before: Point | null = null
  for (let index = 0; index < timesMs.length; index++) {
    const x = scale.xOf(timesMs[index]!)
    const share = shares[index]!
    if (x > scale.width) break
    if (x < 0) {
      before = { x: 0, share }
      continue
    }
    const last = points.at(-1)
    if (last && Math.floor(last.x) === Math.floor(x))
      points[points.length - 1] = { x: last.x, share: Math.max(last.share, share) }
    else points.push({ x, share })
  }
  return before ? [before, ...points] : points
}

/** Evidence that held at a moment: of the last point before it; null before the first. */
export function evidenceAt({ timesMs, shares }: Evidence, ms: number): number | null {
  let [low, high] = [0, timesMs.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (timesMs[middle]! <= ms) low = middle + 1
    else high = middle
  }
  return low === 0 ? null : shares[low - 1]!
}

const round = (pixels: number): number => Math.round(pixels * 10) / 10
