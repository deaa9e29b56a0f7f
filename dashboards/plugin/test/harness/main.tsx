import * as grafanaData from '@grafana/data'
import {
  type AppPlugin,
  createTheme,
  type DataFrame,
  EventBusSrv,
  type Field,
  type GrafanaTheme2,
  type InterpolateFunction,
  LoadingState,
  type PanelPlugin,
  ThemeContext,
} from '@grafana/data'
import { GlobalStyles, PanelChrome, PortalContainer } from '@grafana/ui'
import React, { useMemo, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { DEFAULTS, type Options } from '../../src/timeline/options.ts'
import { annotationsOf } from '../notes.ts'
import { framesOf, rangeOf, type Scene } from '../scenes.ts'
import { BoardStage, type DrawnBoard } from './board.tsx'
import { HomeStage } from './home.tsx'
import { load } from './load.ts'

/** What a test asks to be shown. */
export type Show = Readonly<{ scene: Scene; dark?: boolean; width: number; height: number; options?: Partial<Options> }>

grafanaData.standardEditorsRegistry.setInit(() => [])
grafanaData.standardFieldConfigEditorRegistry.setInit(() => [])

const eventBus = new EventBusSrv()
const seen = { ranges: [] as { from: number; to: number }[], hovers: [] as (number | null)[] }
eventBus.getStream(grafanaData.DataHoverEvent).subscribe(({ payload }) => seen.hovers.push(payload.point.time ?? null))

/** Fills in columns of the row that a link belongs to, which is all that links of this page name. */
const filled: InterpolateFunction = (text, scopedVars) => {
  const { frame, rowIndex } = scopedVars?.__dataContext?.value ?? {}
  return text.replace(/\$\{__data\.fields\.(\w+)\}/g, (_, name) =>
    String(frame?.fields.find((field: Field) => field.name === name)?.values[rowIndex ?? 0]),
  )
}

const seriesOf = (scene: Scene, theme: GrafanaTheme2, { fieldConfigRegistry }: PanelPlugin<Options>): DataFrame[] =>
  grafanaData.applyFieldOverrides({
    data: framesOf(scene).map((frame) => grafanaData.toDataFrame(frame)),
    fieldConfig: { defaults: {}, overrides: [] },
    replaceVariables: filled,
    theme,
    timeZone: 'utc',
    fieldConfigRegistry,
  })

function Stage({ show, plugin }: { show: Show; plugin: PanelPlugin<Options> }) {
  const { scene, dark = false, width, height, options } = show
  const [range, setRange] = useState(rangeOf(scene))
  const theme = useMemo(() => createTheme({ colors: { mode: dark ? 'dark' : 'light' } }), [dark])
  // Once, as Grafana does between two results of a query.
  const series = useMemo(() => seriesOf(scene, theme, plugin), [scene, theme, plugin])
  const annotations = useMemo(() => annotationsOf(scene).map((frame) => grafanaData.toDataFrame(frame)), [scene])
  const Panel = plugin.panel!
  const timeRange = grafanaData.makeTimeRange(grafanaData.dateTime(range.from), grafanaData.dateTime(range.to))
  const request = { endTime: rangeOf(scene).now } as never
  const data = { state: LoadingState.Done, series, annotations, timeRange, request }
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div
        style={{ background: theme.colors.background.canvas, padding: 12, width: width + 24, boxSizing: 'border-box' }}
      >
        <PanelChrome title="Release timeline" width={width} height={height} padding="none">
          {(innerWidth, innerHeight) => (
            <Panel
              id={1}
              data={data}
              timeRange={timeRange}
              timeZone="utc"
              options={{ ...DEFAULTS, ...options }}
              transparent={false}
              width={innerWidth}
              height={innerHeight}
              fieldConfig={{ defaults: {}, overrides: [] }}
              renderCounter={0}
              title=""
              eventBus={eventBus.newScopedBus('panel', { onlyLocal: false })}
              onOptionsChange={() => {}}
              onFieldConfigChange={() => {}}
              replaceVariables={(text) => text}
              onChangeTimeRange={(next) => {
                seen.ranges.push(next)
                setRange({ ...range, from: next.from, to: next.to })
              }}
            />
          )}
        </PanelChrome>
      </div>
      <PortalContainer />
    </ThemeContext.Provider>
  )
}

const root = createRoot(document.getElementById('root')!)
const panel = load<PanelPlugin<Options>>('/plugin/timeline/module.js')
const app = panel.then(() => load<AppPlugin>('/plugin/module.js'))
let shown = 0
Object.assign(window, {
  seen,
  show: async (show: Show) => {
    const plugin = await panel
    document.body.style.margin = '0'
    root.render(<Stage key={++shown} show={show} plugin={plugin} />)
  },
  showHome: async (hasClickHouse: boolean) => {
    const plugin = await app
    root.render(<HomeStage key={++shown} app={plugin} hasClickHouse={hasClickHouse} />)
  },
  showBoard: (board: DrawnBoard, dark: boolean, width: number) => {
    document.body.style.margin = '0'
    root.render(<BoardStage key={++shown} board={board} dark={dark} width={width} />)
  },
  ready: app.then(() => true),
})
