import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { DataFrameDTO } from '@grafana/data'
import type { DrawnBoard, DrawnPanel } from './harness/board.tsx'
import type { Control } from './harness/controls.tsx'
import type { Mark } from './harness/marks.tsx'

const BOARDS = new URL('../../grafana/', import.meta.url)
const RECORDING = new URL('./recording.json', import.meta.url)

/** Grafana's code for a variable that only links carry. */
const HIDDEN = 2

/** What the data source answered when the demo was recorded, by the title of a panel or the name of an annotation; `asked` is a hash of the queries. */
type Recorded = Readonly<Record<string, Readonly<{ asked: string; frames: readonly DataFrameDTO[] }>>>
type Recording = Readonly<{
  range: DrawnBoard['range']
  chosen: Readonly<Record<string, string>>
  boards: Readonly<Record<string, Readonly<{ panels: Recorded; marks: Recorded }>>>
}>

type Target = Readonly<{ rawSql?: string }>
type BoardJson = Readonly<{
  title: string
  panels: readonly (Omit<DrawnPanel, 'frames'> & Readonly<{ targets?: readonly Target[] }>)[]
  templating: Readonly<{
    list: readonly Readonly<{
      name: string
      label: string
      type: string
      hide?: number
      includeAll?: boolean
      current?: { text: unknown }
    }>[]
  }>
  annotations: Readonly<{ list: readonly Readonly<{ name: string; iconColor: string; target: Target }>[] }>
}>

/** The boards as they are, with the recorded answers to their queries; throws where a query is another than was recorded. */
export function drawnBoards(): ReadonlyMap<string, DrawnBoard> {
  const recording = JSON.parse(readFileSync(RECORDING, 'utf8')) as Recording
  const files = readdirSync(BOARDS).sort()
  const boards = files.map((file) => JSON.parse(readFileSync(new URL(file, BOARDS), 'utf8')) as BoardJson)
  const links: Control[] = boards.map(({ title }) => ({ kind: 'link', label: title }))
  return new Map(
    boards.map((board, index) => [
      files[index]!,
      drawnBoard(board, recording, recording.boards[files[index]!] ?? { panels: {}, marks: {} }, links),
    ]),
  )
}

function drawnBoard(
  { title, panels, templating, annotations }: BoardJson,
  { range, chosen }: Recording,
  recorded: Recording['boards'][string],
  links: readonly Control[],
): DrawnBoard {
  const framesOf = (recorded: Recorded, name: string, targets: readonly Target[]): readonly DataFrameDTO[] => {
    const queries = targets.flatMap(({ rawSql }) => rawSql ?? [])
    if (queries.length === 0) return []
    const asked = createHash('sha256').update(JSON.stringify(queries)).digest('hex').slice(0, 16)
    if (recorded[name]?.asked !== asked)
      throw new Error(`${title}, ${name}: its query is not the one that was recorded; \`npm run preview\` records anew`)
    return recorded[name].frames
  }
  return {
    title,
    range,
    panels: panels.map(({ targets = [], ...panel }) => ({
      ...named(panel, chosen),
      frames: framesOf(recorded.panels, panel.title, targets),
    })),
    marks: annotations.list.flatMap(({ name, iconColor, target }) =>
      marksOf(framesOf(recorded.marks, name, [target]), iconColor),
    ),
    controls: [
      ...templating.list
        .filter(({ hide }) => hide !== HIDDEN)
        .map(
          ({ name, label, type, includeAll, current }): Control => ({
            kind: 'variable',
            label,
            chosen:
              (includeAll ? undefined : chosen[name]) ?? (type === 'datasource' ? label : String(current?.text ?? '')),
          }),
        ),
      ...annotations.list.map(({ name }): Control => ({ kind: 'mark', label: name })),
      ...links,
    ],
  }
}

/** Names that Grafana fills in where they are drawn. */
const named = <P>(panel: P, chosen: Readonly<Record<string, string>>): P =>
  JSON.parse(JSON.stringify(panel).replace(/\$\{(\w+)\}/g, (whole, name: string) => chosen[name] ?? whole)) as P

function marksOf(frames: readonly DataFrameDTO[], color: string): Mark[] {
  const of = (name: string) => frames[0]?.fields.find((field) => field.name === name)?.values as unknown[] | undefined
  return (of('time') ?? []).map((fromMs, row) => ({
    fromMs: Number(fromMs),
    untilMs: of('timeEnd') ? Number(of('timeEnd')![row]) : null,
    color,
    text: String(of('text')![row]),
  }))
}
