import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  type AnnotationQuery,
  type DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  type DashboardLinkType,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { BOARDS, type BoardName, TAG } from './links.ts'
import type { Variable } from './variables.ts'

export type BoardParts = Readonly<{
  name: BoardName
  description: string
  variables: readonly Variable[]
  annotations?: readonly Builder<AnnotationQuery>[]
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
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: parts.from, to: 'now' })
    .refresh(parts.refresh)
    .variables([...parts.variables])
    .annotations([...(parts.annotations ?? [])])
    .links([
      new DashboardLinkBuilder('Boards of Andon')
        .type('dashboards' as DashboardLinkType)
        .tags([TAG])
        .includeVars(true)
        .keepTime(true),
    ])
}
