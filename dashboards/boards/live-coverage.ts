import { atLeast, named, unit } from './fields.ts'
import { outOf } from './kpi-sql.ts'
import { plain, plainTotal } from './live-numbers.ts'
import { FEW, NO_CONTACTS, type PanelSource, SHARE_POINTS, statOfText, table } from './panels.ts'
import { clickhouse } from './query.ts'
import { COUNTS, NO_DRILLS, share } from './sql.ts'
import { sql } from './text.ts'

/** What telemetry leaves out, on the board Live: what it does not say can neither be judged nor narrowed to. */
export const missing = (): PanelSource[] => [lacking(), unattributed()]

const without = (column: string): string =>
  share(`sumIf(n, measure = 'contacts' AND ${column} = '')`, plainTotal('contacts'))

const lacking = (): PanelSource =>
  table({
    title: 'What telemetry lacks',
    description:
      'Per agent, the share of contacts whose customer is unknown (no trial of repeat contacts), that name no channel, queue or release (an incident cannot tell where, or what to stop), and that were sampled at the source (counted, never judged).',
    unit: 'percentunit',
    decimals: 1,
    width: 18,
    height: 6,
    mostPoints: SHARE_POINTS,
    whenEmpty: NO_CONTACTS,
    queries: [
      clickhouse(
        sql`
        SELECT if(agent = '', 'no agent', agent) AS agent_name, ${plainTotal('contacts')} AS contacts,
          ${share(`(contacts - ${plainTotal('identified')})`, 'contacts')} AS no_customer, ${without('channel')} AS no_channel,
          ${without('queue')} AS no_queue, ${without('release')} AS no_release, ${share(plainTotal('sampled'), 'contacts')} AS sampled_share
        FROM ${plain('contacts', 'identified', 'sampled')}
        GROUP BY agent
        ORDER BY contacts DESC
        LIMIT 100`,
        'table',
      ),
    ],
    overrides: {
      agent_name: named('Agent', [atLeast(98)]),
      contacts: named('Contacts', [atLeast(80), ...unit('short')]),
      no_customer: named('No customer', [atLeast(80)]),
      no_channel: named('No channel', [atLeast(80)]),
      no_queue: named('No queue', [atLeast(80)]),
      no_release: named('No release', [atLeast(80)]),
      sampled_share: named('Sampled', [atLeast(80)]),
    },
  })

const unattributed = (): PanelSource =>
  statOfText({
    title: 'Complaints without a contact',
    description:
      'Complaints of the range for which no contact was found, of all: they name a conversation or a customer that no contact has. They belong to no release, so the selection does not narrow them.',
    unit: 'none',
    width: 6,
    height: 6,
    mostPoints: SHARE_POINTS,
    whenEmpty: FEW.noComplaint,
    queries: [
      clickhouse(
        sql`
        SELECT ${outOf("sumIf(n, measure = 'unattributed')", 'sum(n)')} AS lost
        FROM ${COUNTS}
        WHERE signal = 'complaints' AND measure IN ('events', 'unattributed') AND ${NO_DRILLS}
        HAVING count() > 0`,
        'table',
      ),
    ],
  })
