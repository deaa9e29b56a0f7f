import * as grafanaData from '@grafana/data'
import { createTheme, type DataFrameDTO, ThemeContext } from '@grafana/data'
import { GlobalStyles, PanelChrome, PortalContainer, ToolbarButton } from '@grafana/ui'
import React, { useMemo } from 'react'
import { type Control, Controls } from './controls.tsx'
import type { Mark } from './marks.tsx'
import { Drawn } from './panels.tsx'

/** A panel as it stands in a board's JSON, with what its queries gave. */
export type DrawnPanel = Readonly<{
  id: number
  type: string
  title: string
  description?: string
  links?: readonly Readonly<{ title: string }>[]
  gridPos: Readonly<{ x: number; y: number; w: number; h: number }>
  options?: Record<string, unknown>
  fieldConfig?: grafanaData.FieldConfigSource
  frames: readonly DataFrameDTO[]
}>
export type DrawnBoard = Readonly<{
  title: string
  range: Readonly<{ fromMs: number; toMs: number }>
  controls: readonly Control[]
  marks: readonly Mark[]
  panels: readonly DrawnPanel[]
}>

const ROW_PX = 38
const GAP_PX = 8
const EDGE_PX = 16
const COLUMNS = 24
/** Below this width Grafana draws one panel under the other. */
const STACKED_BELOW_PX = 769

type Place = Readonly<{ left: number; top: number; width: number; height: number }>

/** Where each panel lies, in pixels: on the grid, or on a phone one under the other in the order of the grid, each as high as it is. */
function placesOf(panels: readonly DrawnPanel[], width: number, isStacked: boolean): ReadonlyMap<number, Place> {
  const column = (width + GAP_PX) / COLUMNS
  const inOrder = panels.toSorted((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x)
  let bottom = 0
  return new Map(
    inOrder.map(({ id, gridPos: { x, y, w, h } }) => {
      const [left, top, columns] = isStacked ? [0, bottom, COLUMNS] : [x, y, w]
      bottom = Math.max(bottom, top + h)
      return [
        id,
        { left: left * column, top: top * ROW_PX, width: columns * column - GAP_PX, height: h * ROW_PX - GAP_PX },
      ]
    }),
  )
}

/** A board of Grafana, drawn by the components that its panels draw with, outside Grafana; `width` of the screen in pixels. */
export function BoardStage({ board, dark, width }: { board: DrawnBoard; dark: boolean; width: number }) {
  const theme = useMemo(() => createTheme({ colors: { mode: dark ? 'dark' : 'light' } }), [dark])
  const { fromMs, toMs } = board.range
  const timeRange = grafanaData.makeTimeRange(grafanaData.dateTime(fromMs), grafanaData.dateTime(toMs))
  const places = placesOf(board.panels, width - 2 * EDGE_PX, width < STACKED_BELOW_PX)
  const bottom = Math.max(...[...places.values()].map(({ top, height }) => top + height))
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <main style={{ background: theme.colors.background.canvas, padding: EDGE_PX, width, boxSizing: 'border-box' }}>
        <h1 style={{ fontSize: 18, margin: '0 0 12px', color: theme.colors.text.primary }}>{board.title}</h1>
        <Controls controls={board.controls} timeRange={timeRange} theme={theme} />
        <div role="status" style={{ position: 'relative', height: bottom }}>
          {board.panels.map((panel) => {
            const place = places.get(panel.id)!
            return (
              <section
                key={panel.id}
                data-panel={panel.title}
                data-kind={panel.type}
                style={{ position: 'absolute', ...place }}
              >
                {panel.type === 'row' ? (
                  <h2 style={{ fontSize: 14, margin: '6px 0', color: theme.colors.text.primary }}>{panel.title}</h2>
                ) : (
                  <PanelChrome
                    title={panel.title}
                    description={panel.description ?? ''}
                    titleItems={(panel.links ?? []).map(({ title }) => (
                      <ToolbarButton key={title} icon="external-link-alt" aria-label={title} />
                    ))}
                    width={place.width}
                    height={place.height}
                    padding={panel.type === 'table' ? 'none' : 'md'}
                  >
                    {(innerWidth, innerHeight) => (
                      <Drawn
                        panel={panel}
                        marks={board.marks}
                        theme={theme}
                        timeRange={timeRange}
                        width={innerWidth}
                        height={innerHeight}
                      />
                    )}
                  </PanelChrome>
                )}
              </section>
            )
          })}
        </div>
      </main>
      <PortalContainer />
    </ThemeContext.Provider>
  )
}
