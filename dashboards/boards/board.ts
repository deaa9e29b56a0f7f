import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  type AnnotationQuery,
  type DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  type DashboardLinkType,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { BOARDS, type BoardName, type Shared, TAG } from './links.ts'
import { sharedVariables, type Variable } from './variables.ts'

export type BoardParts = Readonly<{
  name: BoardName
  description: string
  /** Those of the shared variables that narrow this board or that its links need; the others are hidden. */
  shows: readonly Shared[]
  /** Variables of this board alone. */
  own?: readonly Variable[]
  annotations?: readonly Builder<AnnotationQuery>[]
  /** Default: that of the reader's browser. */
  timezone?: 'utc'
  from: string
  refresh: string
}>

/** What all boards share: their links to each other, which carry selection and range, and one cursor over all panels. */
export function board(builder: DashboardBuilder, parts: BoardParts): DashboardBuilder {
  const { uid, title } = BOARDS[parts.name]
  return builder
    .uid(uid)
    .title(title)
    .description(parts.description)
    .tags([TAG])
    .timezone(parts.timezone ?? 'browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: parts.from, to: 'now' })
    .refresh(parts.refresh)
    .variables([...sharedVariables(parts.shows), ...(parts.own ?? [])])
    .annotations([...(parts.annotations ?? [])])
    .links([
      new DashboardLinkBuilder('Boards of Andon')
        .type('dashboards' as DashboardLinkType)
        .tags([TAG])
        .includeVars(true)
        .keepTime(true),
    ])
}
