import type { Signal } from '../../detectors/signals/definition.ts'
import { rateOf } from './evidence.ts'
import { asBand, asLimit, link, QUIET } from './fields.ts'
import { NO_CONTACTS, type PanelSource, RELEASE_SHARE_POINTS, series } from './panels.ts'
import { clickhouse } from './query.ts'
import { COUNTS, isAmong, linesOf, nearest, releaseName, sliceSelected, wilson } from './sql.ts'
import { sql } from './text.ts'

/** Lines of shares that can be told apart: they cross each other more than lines of evidence do. */
export const MOST_SHARES = 5

/** One signal: the releases closest to its line, and of the closest one its interval and what it is held against. */
export function rate(signal: Signal): PanelSource {
  const where = `signal = '${signal.name}' AND measure IN ('trials', 'hits')`
  const triggers = `signal = '${signal.name}' AND trigger != ''`
  const shown = nearest(triggers, MOST_SHARES)
  const closest = nearest(triggers, 1)
  return series({
    title: signal.title,
    description: `${signal.description} Share of contacts by the time they began, for the ${MOST_SHARES} releases whose evidence in this signal is strongest; numbers before names tell colours and dashes. Of the closest one: the band is its 95 % interval, the grey dashed line the share that is still healthy (baseline and tolerance; a healthy release may lie above it half of the time), the red one its ceiling where one is configured. What decides is the evidence below, not these lines. A delayed signal stays low for young contacts: their hits are still to come.`,
    unit: 'percentunit',
    width: 12,
    height: 10,
    min: 0,
    mostPoints: RELEASE_SHARE_POINTS,
    places: true,
    values: true,
    links: [link('Runbook', `\${page}/${signal.runbook}`, true)],
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        linesOf(
          sql`
        SELECT $__timeInterval(at) AS time, ${releaseName} AS name, ${rateOf()} AS rate
        FROM ${COUNTS}
        WHERE ${where}
          AND ${isAmong(shown)}
          AND ${sliceSelected()}
        GROUP BY time, name`,
          'rate',
        ),
        'series',
      ),
      clickhouse(
        sql`
        SELECT time, ${wilson('low', 'hits', 'trials')} AS low, ${wilson('high', 'hits', 'trials')} AS high
        FROM (
          SELECT $__timeInterval(at) AS time, sumIf(n, measure = 'hits') AS hits, sumIf(n, measure = 'trials') AS trials
          FROM ${COUNTS}
          WHERE ${where}
            AND ${isAmong(closest)}
            AND ${sliceSelected()}
          GROUP BY time
        )
        ORDER BY time WITH FILL STEP toIntervalSecond($__interval_s)`,
        'series',
      ),
      clickhouse(
        sql`
        SELECT arrayJoin([$__fromTime, $__toTime]) AS time, min(trigger_limit) AS limit_rate
        FROM (${heldAgainst('limit', triggers, closest)})
        GROUP BY time
        HAVING count() > 0
        ORDER BY time`,
        'series',
      ),
      clickhouse(
        sql`
        SELECT arrayJoin([$__fromTime, $__toTime]) AS time, min(trigger_ceiling) AS ceiling_rate
        FROM (${heldAgainst('ceiling', triggers, closest)})
        WHERE trigger_ceiling > 0
        GROUP BY time
        HAVING count() > 0
        ORDER BY time`,
        'series',
      ),
    ],
    overrides: {
      ...asBand('low', 'high', 'text'),
      limit_rate: asLimit('Healthy at most', QUIET),
      ceiling_rate: asLimit('Ceiling'),
    },
  })
}

/** What the triggers of a signal hold a release against, as the detector last said. */
const heldAgainst = (column: 'limit' | 'ceiling', triggers: string, releases: string): string => sql`
  SELECT trigger, argMax(${column}, seq) AS trigger_${column}
  FROM evidence_latest
  WHERE ${triggers} AND ${isAmong(releases)}
  GROUP BY trigger`
