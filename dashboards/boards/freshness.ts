import { BAD, GOOD } from './fields.ts'
import { FEW, type PanelSource, stat } from './panels.ts'
import { clickhouse } from './query.ts'
import { sql } from './text.ts'

/** A batch is counted every second while anything arrives: so long without one is no pause for breath. */
const STALE_AFTER_SECONDS = 120

/** How far the numbers beside it can be believed: a monitor that is dead finds no incident. */
export const countedUntil = (width: number): PanelSource =>
  stat({
    title: 'Counted until (ago)',
    description:
      'How long before the end of the range the newest batch was accepted. Red above two minutes: monitor, collector or agents have fallen silent, and every number on this board, zeros included, is as old as that. Then look at Monitor health.',
    unit: 's',
    width,
    height: 3,
    whenEmpty: FEW.nothingCounted,
    thresholds: [
      { value: null, color: BAD },
      { value: 0, color: GOOD },
      { value: STALE_AFTER_SECONDS, color: BAD },
    ],
    queries: [
      clickhouse(
        sql`
        SELECT greatest(0, date_diff('second', accepted_at, $__toTime)) AS counted_ago
        FROM batches
        ORDER BY seq DESC
        LIMIT 1`,
        'table',
      ),
    ],
  })
