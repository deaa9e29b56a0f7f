import { BAD, CAREFUL, GOOD } from './fields.ts'
import { countedUntil } from './freshness.ts'
import { FEW, type PanelSource, stat } from './panels.ts'
import { clickhouse } from './query.ts'
import { IS_OPEN, incidentSelected } from './sql.ts'
import { sql } from './text.ts'

/** Incidents that the board is about: open at the end of the range whenever they began, or found in the range. */
export const shown = (): string =>
  `(${IS_OPEN} OR (detected_at >= $__fromTime AND detected_at <= $__toTime))\nAND ${incidentSelected()}`

/** The numbers at the top of the board On-call: can it be believed, and must somebody act? */
export const standing = (): PanelSource[] => [countedUntil(8), undrained(), unaccepted()]
/** Whom the incidents touched. */
export const touched = (): PanelSource[] => [exposed(), afterPause()]

const undrained = (): PanelSource =>
  stat({
    title: 'Not drained',
    description:
      'Incidents found up to the end of the range that are not drained yet, and that no person has resumed or closed. Observed ones count: nobody was told to stop.',
    unit: 'short',
    width: 8,
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
  })

const unaccepted = (): PanelSource =>
  stat({
    title: 'Pauses not accepted',
    description:
      'Pauses that were ordered and that nobody has accepted yet: no platform, no agent that asks, no person. Stop these releases by hand.',
    unit: 'short',
    width: 8,
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
        WHERE state = 'pausing' AND detected_at <= $__toTime AND ${incidentSelected()}`,
        'table',
      ),
    ],
  })

const exposed = (): PanelSource =>
  stat({
    title: 'Contacts exposed',
    description: 'Contacts begun between the onset of the harm and its detection, over the incidents shown.',
    unit: 'short',
    width: 12,
    height: 3,
    whenEmpty: '0',
    queries: [clickhouse(sql`SELECT sum(contacts_exposed) AS contacts FROM incident_clock\nWHERE ${shown()}`, 'table')],
  })

const afterPause = (): PanelSource =>
  stat({
    title: 'Contacts after the pause',
    description:
      'Contacts begun after a pause was accepted, over the incidents shown: while a release is not proven stopped, as telemetry has told so far. It should stay still within a minute. Not known yet: nobody has looked since one of the pauses was accepted.',
    unit: 'short',
    width: 12,
    height: 3,
    whenEmpty: FEW.notKnownYet,
    thresholds: [
      { value: null, color: 'text' },
      { value: 0, color: GOOD },
      { value: 1, color: CAREFUL },
    ],
    queries: [
      clickhouse(
        sql`
        SELECT if(countIf(state = 'paused' AND contacts_after_pause IS NULL) > 0, NULL, sum(ifNull(contacts_after_pause, 0))) AS contacts
        FROM incident_clock
        WHERE ${shown()}`,
        'table',
      ),
    ],
  })
