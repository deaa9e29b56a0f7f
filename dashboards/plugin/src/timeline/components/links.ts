import type { DataFrame, LinkModel } from '@grafana/data'
import type { Row } from '../model.ts'

/** The data links of the rows that a card tells of, each once. */
export function linksOf(frames: readonly DataFrame[], rows: readonly (Row | null)[]): LinkModel[] {
  const links = rows.flatMap((at) => (at === null ? [] : linksOfRow(frames[at.frame], at.row)))
  return [...new Map(links.map((link) => [`${link.title} ${link.href}`, link])).values()]
}

const linksOfRow = (frame: DataFrame | undefined, row: number): LinkModel[] =>
  (frame?.fields ?? []).flatMap((field) =>
    (field.config.links?.length ?? 0) > 0 ? (field.getLinks?.({ valueRowIndex: row }) ?? []) : [],
  )
