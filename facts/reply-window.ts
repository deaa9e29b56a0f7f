/** Free-form replies on WhatsApp end this long after the customer's last message; afterwards only templates may be sent. */
export const REPLY_WINDOW_MS = 24 * 3_600_000

/** Channels that are WhatsApp, letters of either case; read by ClickHouse as well. */
export const WHATSAPP = 'whats *app'
const IS_WHATSAPP = new RegExp(WHATSAPP, 'i')

/** Until when a free-form reply may be sent, and what is left of it (0 = over). */
export type ReplyWindow = Readonly<{ untilMs: number; leftMs: number }>

/**
 * What is left of a customer's reply window; null on channels without one. Telemetry does not tell who wrote last, so the last activity
 * of the contact stands for the customer's last message: the true window may have ended earlier, never later.
 */
export function replyWindow(channel: string, lastActivityMs: number, nowMs: number): ReplyWindow | null {
  if (!IS_WHATSAPP.test(channel)) return null
  const untilMs = lastActivityMs + REPLY_WINDOW_MS
  return { untilMs, leftMs: Math.max(0, untilMs - nowMs) }
}
