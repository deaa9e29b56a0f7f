import { pageOf } from '../page.ts'
import type { Telling } from './telling.ts'
import { addressIn, clip } from './text.ts'

/** Limits of the Events API v2: https://developer.pagerduty.com/docs/events-api-v2-overview */
const SUMMARY_MAX = 1024
const DEDUP_KEY_MAX = 255
const DETAIL_MAX = 4096
const LINK_MAX = 2048

export const PAGERDUTY_URL = 'https://events.pagerduty.com/v2/enqueue'

const ACTION = { opened: 'trigger', acknowledged: 'acknowledge', resolved: 'resolve' } as const

/**
 * An event for PagerDuty's Events API v2. One incident is one alert (dedup_key), however often it is told: an escalation adds
 * to the alert, acknowledging and resolving name it.
 * @param routingKey integration key of the service; part of the body, so the body is a secret
 */
export function pagerdutyBody({ order, escalation, stage, atMs, links }: Telling, routingKey: string): string {
  const event = {
    routing_key: routingKey,
    event_action: order.purpose === 'resume' ? ACTION.resolved : ACTION[stage],
    dedup_key: clip(`andon-${order.incidentId}`, DEDUP_KEY_MAX),
  }
  if (stage !== 'opened' || order.purpose === 'resume') return JSON.stringify(event)
  const page = pageOf(order, escalation, links)
  const { finding } = order
  const { environment, agent, release } = finding.release
  const incident = addressIn(page.incident, LINK_MAX)
  const runbook = addressIn(page.runbook, LINK_MAX)
  return JSON.stringify({
    ...event,
    payload: {
      summary: clip(`${page.title}: ${page.what}`, SUMMARY_MAX),
      source: clip(agent || 'unknown agent', SUMMARY_MAX),
      severity: page.severity,
      timestamp: new Date(atMs).toISOString(),
      component: clip(release || 'unknown release', SUMMARY_MAX),
      group: clip(environment || 'no environment', SUMMARY_MAX),
      class: finding.signal,
      custom_details: {
        what: clip(page.what, DETAIL_MAX),
        why: clip(page.why, DETAIL_MAX),
        done: clip(page.done, DETAIL_MAX),
        next: clip(page.next, DETAIL_MAX),
        runbook: clip(page.runbook, DETAIL_MAX),
        incident: order.incidentId,
        trigger: finding.trigger,
        channel: clip(finding.channel || 'all', DETAIL_MAX),
        queue: clip(finding.queue || 'all', DETAIL_MAX),
      },
    },
    client: 'Andon',
    ...(incident && { client_url: incident }),
    links: [
      ...(incident ? [{ href: incident, text: 'Incident' }] : []),
      ...(runbook ? [{ href: runbook, text: 'Runbook' }] : []),
    ],
  })
}
