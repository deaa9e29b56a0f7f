import type { RecoveryStateAnswer } from '../api/recovery.ts'
import type { AffectedRow } from '../recovery/export.ts'
import { duration } from './duration.ts'
import { table } from './table.ts'

/** Rows that a terminal is shown; an export has all of them. */
const SHOWN = 100

/** What is still to be done about an incident, the most urgent first: whoever may be answered for the shortest time. */
export function affectedText(rows: readonly AffectedRow[], state: RecoveryStateAnswer): string {
  const open = rows.filter(({ need, done }) => need !== '' && done === '').sort((a, b) => leftOf(a) - leftOf(b))
  const kinds = Map.groupBy(rows, ({ kind }) => String(kind))
  const touched = [...kinds].filter(([kind]) => kind !== 'audit').map(([kind, some]) => plural(some.length, kind))
  const listed = state.snapshot ? new Date(state.snapshot.takenAtMs).toISOString() : 'never'
  return [
    `Touched   ${touched.join(', ') || 'nothing'} (listed ${listed})`,
    `Redeploy  ${state.gate.allowed ? 'allowed' : 'not yet'}: ${state.gate.detail}`,
    '',
    open.length === 0
      ? 'Nothing is left to do.'
      : table(
          ['to do', 'kind', 'item', 'why', 'channel', 'queue', 'may be answered for'],
          open
            .slice(0, SHOWN)
            .map((row) => [
              String(row.need),
              String(row.kind),
              String(row.item),
              String(row.why),
              String(row.channel),
              String(row.queue),
              row.replySecondsLeft === '' ? '' : duration(Number(row.replySecondsLeft) * 1000),
            ]),
        ),
    ...(open.length > SHOWN ? [`… and ${open.length - SHOWN} more: --format csv has all`] : []),
    '',
  ].join('\n')
}

const leftOf = ({ replySecondsLeft }: AffectedRow): number =>
  replySecondsLeft === '' ? Number.POSITIVE_INFINITY : Number(replySecondsLeft)

const plural = (n: number, kind: string): string => `${n} ${kind}${n === 1 ? '' : 's'}`
