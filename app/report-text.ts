import type { Report } from './report.clickhouse.ts'
import { table } from './table.ts'

const percent = (share: number | null): string => (share === null ? '–' : `${(share * 100).toFixed(1)} %`)

/** The report for people: a table of releases with their signals, then the incidents. */
export function reportText(report: Report): string {
  const names = [...new Set(report.releases.flatMap((row) => Object.keys(row.signals)))]
  const sliced = report.releases.some((row) => row.channel !== undefined)
  const head = [
    'agent',
    'release',
    'environment',
    ...(sliced ? ['channel', 'queue'] : []),
    'contacts',
    'identified',
    ...names,
  ]
  const rows = report.releases.map((row) => [
    row.agent || 'unknown',
    row.release || 'unknown',
    row.environment || '–',
    ...(sliced ? [row.channel || '–', row.queue || '–'] : []),
    String(row.contacts),
    row.contacts > 0 ? percent(row.identified / row.contacts) : '–',
    ...names.map((name) => {
      const figures = row.signals[name]!
      return figures.trials > 0 ? `${percent(figures.rate)} (${figures.hits}/${figures.trials})` : '–'
    }),
  ])
  const { spans, distinct, rejected } = report.accepted
  const incidents = report.incidents.map((incident) => [
    incident.detected,
    incident.agent,
    incident.release,
    incident.signal,
    incident.action,
    incident.onset ?? '–',
    String(incident.contactsExposed),
    incident.logE.toFixed(1),
  ])
  return [
    `${spans} spans accepted, ${distinct} distinct, ${rejected} rejected; clock: ${report.clock}`,
    '',
    table(head, rows),
    '',
    incidents.length === 0
      ? 'No incident.'
      : table(['detected', 'agent', 'release', 'signal', 'action', 'onset', 'exposed', 'log E'], incidents),
  ].join('\n')
}
