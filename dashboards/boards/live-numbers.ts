import { BAD, CAREFUL, cellLink, GOOD } from './fields.ts'
import { countedUntil } from './freshness.ts'
import { boardUrl } from './links.ts'
import { FEW, type PanelSource, SHARE_POINTS, stat } from './panels.ts'
import { clickhouse } from './query.ts'
import {
  COUNTS,
  current,
  heldReleases,
  IS_OPEN,
  incidentSelected,
  latestReleases,
  share,
  sliceSelected,
} from './sql.ts'
import { sql } from './text.ts'

export const plainTotal = (measure: string): string => `sumIf(n, measure = '${measure}')`

/** Counts of contacts that no signal defines, narrowed to the selection: what follows FROM. */
export const plain = (...measures: string[]): string => sql`
  ${COUNTS}
  WHERE signal = '' AND measure IN (${measures.map((measure) => `'${measure}'`).join(', ')})
    AND ${sliceSelected()}`

/** The numbers at the top of the board Live. */
export const liveNumbers = (): PanelSource[] => [
  countedUntil(5),
  closest(),
  openIncidents(),
  liveReleases(),
  identified(),
  contacts(),
]

const contacts = (): PanelSource =>
  stat({
    title: 'Contacts',
    description: 'Contacts begun in the range.',
    unit: 'short',
    mostPoints: SHARE_POINTS,
    width: 3,
    height: 3,
    whenEmpty: '0',
    queries: [clickhouse(sql`SELECT toFloat64(sum(n)) AS contacts FROM ${plain('contacts')}`, 'table')],
  })

const liveReleases = (): PanelSource =>
  stat({
    title: 'Releases with traffic',
    description:
      'Releases of the selection that serve in the range: their first contact lies before its end, their last after its beginning.',
    unit: 'short',
    width: 5,
    height: 3,
    whenEmpty: '0',
    queries: [
      clickhouse(
        sql`
        SELECT count() AS releases
        FROM (
          SELECT agent, release, environment FROM slice_times
          WHERE ${sliceSelected()}
          GROUP BY agent, release, environment
          HAVING min(first_at) <= $__toTime AND max(last_at) >= $__fromTime
        )`,
        'table',
      ),
    ],
  })

const closest = (): PanelSource =>
  stat({
    title: 'Closest to a pause',
    description:
      'The strongest evidence, as the detector last said, among releases that serve in the range and are not stopped (one that was resumed serves), over the line at which they are paused. 100 % is a pause; a healthy release ever gets there with probability alpha (1 % by default).',
    unit: 'percentunit',
    decimals: 0,
    width: 4,
    height: 3,
    whenEmpty: FEW.noEvidence,
    thresholds: [
      { value: null, color: GOOD },
      { value: 0.5, color: CAREFUL },
      { value: 1, color: BAD },
    ],
    queries: [
      clickhouse(
        sql`
        SELECT max(greatest(0, evidence)) AS evidence_ratio
        FROM (
          SELECT agent, release, environment, argMax(log_e / log_threshold, seq) AS evidence
          FROM ${current()}
          WHERE trigger = ''
            AND ${latestReleases(1000)}
            AND (agent, release, environment) NOT IN (
              ${heldReleases()}
            )
          GROUP BY agent, release, environment
        )
        HAVING count() > 0`,
        'table',
      ),
    ],
  })

const openIncidents = (): PanelSource =>
  stat({
    title: 'Not drained',
    description:
      'Incidents that were found up to the end of the range and are neither drained, nor resumed or closed by a person, whenever they began.',
    unit: 'short',
    width: 3,
    height: 3,
    whenEmpty: '0',
    thresholds: [
      { value: null, color: GOOD },
      { value: 1, color: BAD },
    ],
    queries: [
      clickhouse(
        sql`
        SELECT count() AS incidents FROM incident_clock
        WHERE ${IS_OPEN} AND ${incidentSelected()}`,
        'table',
      ),
    ],
    overrides: { incidents: [cellLink('On-call', boardUrl('onCall'))] },
  })

const identified = (): PanelSource =>
  stat({
    title: 'Identified contacts',
    description:
      'Share of contacts with a known customer. The others are no trial of repeat contacts; when the share falls, so does what can be seen.',
    unit: 'percentunit',
    decimals: 1,
    mostPoints: SHARE_POINTS,
    width: 4,
    height: 3,
    whenEmpty: FEW.noContacts,
    thresholds: [
      { value: null, color: BAD },
      { value: 0.5, color: CAREFUL },
      { value: 0.8, color: GOOD },
    ],
    queries: [
      clickhouse(
        sql`SELECT ${share(plainTotal('identified'), plainTotal('contacts'))} AS identified FROM ${plain('contacts', 'identified')}`,
        'table',
      ),
    ],
  })
