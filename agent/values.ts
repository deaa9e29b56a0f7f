import type { Attributes, AttributeValue, HrTime } from '@opentelemetry/api'

/** A moment given by the caller: a Date, or milliseconds since 1970 (fractions allowed). */
export type Moment = Date | number

/** Drops what is not known: an empty text is never sent, because it would look like a value. */
export function attributesOf(known: Readonly<Record<string, AttributeValue | undefined>>): Attributes {
  const attributes: Attributes = {}
  for (const [name, value] of Object.entries(known)) {
    if (value !== undefined && value !== '') attributes[name] = value
  }
  return attributes
}

/** The same moment as a Date. Throws TypeError for what is no moment, e.g. NaN. */
export function dateOf(moment: Moment): Date {
  const date = new Date(moment)
  if (Number.isNaN(date.getTime())) throw new TypeError(`not a moment in time: ${String(moment)}`)
  return date
}

/**
 * [seconds, nanoseconds] since 1970; undefined stays undefined and means "now". SDKs take a small plain number for a
 * reading of performance.now(), so an explicit time is never passed on as a number.
 */
export function timeOf<M extends Moment | undefined>(moment: M): M extends undefined ? undefined : HrTime
export function timeOf(moment: Moment | undefined): HrTime | undefined {
  if (moment === undefined) return undefined
  const ms = typeof moment === 'number' && Number.isFinite(moment) ? moment : dateOf(moment).getTime()
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}
