import { pageOf } from '../page.ts'
import type { Telling } from './telling.ts'
import { addressIn, clip } from './text.ts'

/** Limits of Block Kit: https://docs.slack.dev/reference/block-kit/blocks */
const TEXT_MAX = 3000
const HEADER_MAX = 150
const URL_MAX = 3000
const FALLBACK_MAX = 3000

/**
 * A message for an incoming webhook of Slack. Everything stands in plain_text objects and the three control characters are escaped, so
 * that a name from telemetry can neither format, link nor notify a channel (`<!channel>`).
 */
export function slackBody({ order, escalation, stage, links }: Telling): string {
  const page = pageOf(order, escalation, links)
  if (stage !== 'opened') {
    const line = `${stage === 'resolved' ? 'Closed' : 'Acknowledged'}: ${page.title}`
    return JSON.stringify({ ...envelopeOf(line), blocks: [section(line), ...buttons(page)] })
  }
  return JSON.stringify({
    ...envelopeOf(page.summary),
    blocks: [
      { type: 'header', text: plain(page.title, HEADER_MAX) },
      section(page.what),
      section(`Why: ${page.why}`),
      section(`Done: ${page.done}`),
      section(page.next),
      ...buttons(page),
    ],
  })
}

/** The notification text; blocks replace it in the message itself. */
const envelopeOf = (text: string) => ({ text: escaped(text, FALLBACK_MAX), mrkdwn: false, unfurl_links: false })

const section = (text: string) => ({ type: 'section', text: plain(text, TEXT_MAX) })
const plain = (text: string, max: number) => ({ type: 'plain_text', text: escaped(text, max), emoji: false })

function buttons({ incident, runbook }: { incident: string | undefined; runbook: string }): object[] {
  const elements = [
    { text: 'Incident', url: addressIn(incident, URL_MAX) },
    { text: 'Runbook', url: addressIn(runbook, URL_MAX) },
  ].flatMap(({ text, url }) =>
    url ? [{ type: 'button', action_id: text.toLowerCase(), text: plain(text, 75), url }] : [],
  )
  return elements.length > 0 ? [{ type: 'actions', elements }] : [section(`Runbook: ${runbook}`)]
}

const ENTITY: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** Escaped text of at most `max` units; an entity is never cut. Never empty: Slack refuses that. */
function escaped(text: string, max: number): string {
  let kept = clip(text.trim() || '–', max)
  for (;;) {
    const safe = kept.replace(/[&<>]/g, (character) => ENTITY[character]!)
    if (safe.length <= max) return safe
    kept = clip(kept, Math.max(1, kept.length - Math.ceil((safe.length - max) / 5)))
  }
}
