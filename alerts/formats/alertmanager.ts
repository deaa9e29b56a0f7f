import { idOf } from '../../lib/hash.ts'
import { pageOf } from '../page.ts'
import type { Telling } from './telling.ts'
import { clip } from './text.ts'

/** What Go prints for a time that is not set: an alert that has not ended. */
const NOT_ENDED = '0001-01-01T00:00:00Z'

/** Alertmanager bounds neither; a page must stay readable, and a label is an index key in most that store it. */
const LABEL_MAX = 256
const ANNOTATION_MAX = 4096

/**
 * A notification in the shape of Alertmanager's webhook, version 4, with the three keys that Grafana's adds (title, state, message): what takes
 * either takes this. One incident is one group with one alert.
 * Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
 */
export function alertmanagerBody({ order, escalation, stage, atMs, links }: Telling, receiver: string): string {
  const page = pageOf(order, escalation, links)
  const { finding, incidentId, firstAtMs } = order
  const { environment, agent, release } = finding.release
  const status = stage === 'resolved' || order.purpose === 'resume' ? 'resolved' : 'firing'
  const alertname = order.purpose === 'notify' ? 'AndonLimitBreached' : 'AndonReleasePaused'
  const labels = Object.fromEntries(
    Object.entries({
      alertname,
      severity: page.severity,
      environment,
      agent,
      release,
      channel: finding.channel,
      queue: finding.queue,
      signal: finding.signal,
      trigger: finding.trigger,
      incident: incidentId,
    })
      .filter(([, value]) => value !== '') // an empty label is no label
      .map(([name, value]) => [name, clip(value, LABEL_MAX)]),
  )
  const annotations = {
    summary: clip(page.title, ANNOTATION_MAX),
    description: clip(page.what, ANNOTATION_MAX),
    why: clip(page.why, ANNOTATION_MAX),
    done: clip(page.done, ANNOTATION_MAX),
    next: clip(page.next, ANNOTATION_MAX),
    runbook_url: clip(page.runbook, ANNOTATION_MAX),
  }
  const generatorURL = page.incident ?? ''
  return JSON.stringify({
    version: '4',
    groupKey: `{}:{alertname="${alertname}", incident="${incidentId}"}`,
    truncatedAlerts: 0,
    status,
    receiver,
    groupLabels: { alertname, incident: incidentId },
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: links.pageUrl ?? '',
    alerts: [
      {
        status,
        labels,
        annotations,
        startsAt: new Date(firstAtMs).toISOString(),
        endsAt: status === 'resolved' ? new Date(atMs).toISOString() : NOT_ENDED,
        generatorURL,
        fingerprint: idOf('alert', incidentId).slice(0, 16),
      },
    ],
    title: clip(page.title, ANNOTATION_MAX),
    state: status === 'resolved' ? 'ok' : 'alerting',
    message: clip(page.summary, ANNOTATION_MAX),
  })
}
