import type { Dashboard, Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard'

/** JSON of a board: what Grafana imports. */
export type BoardJson = Record<string, unknown>

/**
 * What the builders leave open or say wrongly: ids of panels and queries, the name of annotation queries, and defaults that some Grafana versions
 * do not know (placement of links, the footer of a table) or that belong to another kind of variable (auto).
 */
export function finished(dashboard: Dashboard): BoardJson {
  let lastId = 0
  const panelOf = (panel: Panel | RowPanel): Record<string, unknown> => {
    lastId++
    const id = lastId
    if (panel.type === 'row') {
      const { panels = [], ...row } = panel as RowPanel
      return { ...row, id, panels: panels.map(panelOf) }
    }
    const { targets, links, options, ...rest } = panel as Panel
    return {
      ...rest,
      id,
      ...(options && { options: withoutFooter(options as Record<string, unknown>) }),
      ...(links && { links: links.map(({ placement: _, ...link }) => link) }),
      ...(targets && { targets: targets.map((target, index) => ({ refId: refIdOf(index), ...target })) }),
    }
  }
  const { panels = [], annotations, links = [], templating, ...rest } = dashboard
  return plain({
    ...rest,
    annotations: {
      list: (annotations?.list ?? []).map(({ placement: _, ...annotation }) => ({
        ...annotation,
        target: { refId: 'Anno', ...annotation.target },
      })),
    },
    links: links.map(({ placement: _, ...link }) => link),
    templating: {
      list: (templating?.list ?? []).map(({ auto: _, auto_min: __, auto_count: ___, ...variable }) => variable),
    },
    panels: panels.map(panelOf),
  })
}

const withoutFooter = ({ footer: _, ...options }: Record<string, unknown>) => options

const refIdOf = (index: number): string => String.fromCharCode('A'.charCodeAt(0) + index)

const plain = (value: unknown): BoardJson => JSON.parse(JSON.stringify(value)) as BoardJson
