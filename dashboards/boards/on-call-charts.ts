import { shown } from './on-call-numbers.ts'
import { EVIDENCE_BRIDGED_MS, EVIDENCE_LOOK, NO_INCIDENT, type PanelSource, series } from './panels.ts'
import { clickhouse } from './query.ts'
import { isAmong, linesOf, MOST_SERIES, releaseName } from './sql.ts'
import { sql } from './text.ts'

const latestIncidents = (): string => sql`
  SELECT agent, release, environment
  FROM incident_clock
  WHERE ${shown()}
  GROUP BY agent, release, environment
  ORDER BY max(detected_at) DESC
  LIMIT ${MOST_SERIES}`

export const harm = (): PanelSource =>
  series({
    title: 'Evidence of the affected releases',
    description:
      'Joint evidence of the six releases with the latest incidents, over its line: how fast the harm showed. 100 % is a pause; what lies beyond 150 % leaves the picture.',
    width: 10,
    height: 8,
    ...EVIDENCE_LOOK,
    bridgedMs: EVIDENCE_BRIDGED_MS,
    places: true,
    whenEmpty: NO_INCIDENT,
    queries: [
      clickhouse(
        linesOf(
          sql`
        SELECT $__timeInterval(minute) AS time, ${releaseName} AS name, toNullable(argMax(log_e / log_threshold, (at, seq))) AS evidence_ratio
        FROM evidence_history
        WHERE trigger = '' AND $__timeFilter(minute)
          AND ${isAmong(latestIncidents())}
        GROUP BY time, name`,
          'evidence_ratio',
        ),
        'series',
      ),
    ],
  })
