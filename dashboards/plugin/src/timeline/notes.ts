import type { DataFrame } from '@grafana/data'
import { timeOf } from './frames.ts'
import { visible } from './model.ts'

/** What somebody noted on the dashboard: a moment, or a stretch of time; toMs is fromMs for a moment. */
export type Note = Readonly<{ key: string; fromMs: number; toMs: number; text: string }>

/** Lines more than these would hide the lanes behind them. */
const MOST_NOTES = 100

/** Annotations as Grafana hands them over, the latest of them in order of time; what has no time is none. */
export function notesOf(frames: readonly DataFrame[]): Note[] {
  return frames
    .flatMap((frame, index) => {
      const valuesOf = (name: string) => frame.fields.find((field) => field.name === name)?.values
      const [times, ends, titles, texts] = ['time', 'timeEnd', 'title', 'text'].map(valuesOf)
      return Array.from({ length: frame.length }, (_, row): Note[] => {
        const fromMs = timeOf(times?.[row])
        if (fromMs === null) return []
        const words = [titles?.[row], texts?.[row]].filter((word) => typeof word === 'string' && word !== '')
        const text = visible(words.join(': ').replace(/<[^>]*>/g, '')) || 'Annotation'
        return [{ key: `${index} ${row}`, fromMs, toMs: Math.max(fromMs, timeOf(ends?.[row]) ?? fromMs), text }]
      }).flat()
    })
    .sort((a, b) => a.fromMs - b.fromMs)
    .slice(-MOST_NOTES)
}
