import { alertmanagerBody } from './formats/alertmanager.ts'
import { pagerdutyBody } from './formats/pagerduty.ts'
import { slackBody } from './formats/slack.ts'
import type { Telling } from './formats/telling.ts'
import { bodyOf } from './payload.ts'
import { sign } from './sign.ts'
import type { Target } from './targets.ts'

/** One message in the words of its target. The body is the same over retries; the headers of a signed one carry its time. */
export type Message = Readonly<{ body: string; headersAt: (atMs: number) => Readonly<Record<string, string>> }>

export function messageTo(target: Target, webhookId: string, telling: Telling): Message {
  const body = bodyFor(target, telling)
  const bearer = target.kind === 'alertmanager' && target.token ? { authorization: `Bearer ${target.token}` } : {}
  return {
    body,
    headersAt: (atMs) => ({
      'content-type': 'application/json',
      'user-agent': 'andon',
      ...bearer,
      ...(target.keys.length > 0 && sign({ id: webhookId, atMs, body, keys: target.keys })),
    }),
  }
}

function bodyFor(target: Target, telling: Telling): string {
  switch (target.kind) {
    case 'webhook':
      return bodyOf(telling.order, telling.escalation, telling.links)
    case 'pagerduty':
      return pagerdutyBody(telling, target.token)
    case 'slack':
      return slackBody(telling)
    case 'alertmanager':
      return alertmanagerBody(telling, target.name)
  }
}
