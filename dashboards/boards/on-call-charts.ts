import { jointLines } from './evidence.ts'
import { shown } from './on-call-numbers.ts'
import { EVIDENCE_BRIDGED_MS, EVIDENCE_LOOK, NO_INCIDENT, type PanelSource, series } from './panels.ts'
import { clickhouse } from './query.ts'
import { MOST_SERIES } from './sql.ts'
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
    queries: [clickhouse(jointLines(latestIncidents()), 'series')],
  })
