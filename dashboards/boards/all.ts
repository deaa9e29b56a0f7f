import { type BoardJson, finished } from './finish.ts'
import { leaders } from './leaders.ts'
import { BOARDS } from './links.ts'
import { live } from './live.ts'
import { monitor } from './monitor.ts'
import { onCall } from './on-call.ts'
import { releases } from './releases.ts'
import { timeline } from './timeline.ts'

/** Every board by the name of its file under dashboards/grafana/. */
export const allBoards = (): Readonly<Record<string, BoardJson>> => ({
  [`${BOARDS.live.uid}.json`]: finished(live()),
  [`${BOARDS.onCall.uid}.json`]: finished(onCall()),
  [`${BOARDS.releases.uid}.json`]: finished(releases()),
  [`${BOARDS.leaders.uid}.json`]: finished(leaders()),
  [`${BOARDS.monitor.uid}.json`]: finished(monitor()),
})

/** Boards that need a panel of the app plugin, by the name of their file under dashboards/plugin/src/dashboards/. */
export const pluginBoards = (): Readonly<Record<string, BoardJson>> => ({
  [`${BOARDS.timeline.uid}.json`]: finished(timeline()),
})
