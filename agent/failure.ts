import * as api from '@opentelemetry/api'
import { attribute } from './names.ts'
import { type Moment, timeOf } from './values.ts'

/** A short, stable name of what went wrong: the error's class, never its message, which may quote a customer. */
export function errorTypeOf(error: unknown): string {
  if (error instanceof Error) return error.name || 'Error'
  return typeof error === 'string' && /^[\w.-]{1,64}$/.test(error) ? error : '_OTHER'
}

/** Marks a span as failed. The exception event carries only the type, for the same reason as {@link errorTypeOf}. */
export function recordFailure(span: api.Span, error: unknown, at: Moment | undefined): void {
  const type = errorTypeOf(error)
  span.addEvent('exception', { 'exception.type': type }, timeOf(at))
  span.setStatus({ code: api.SpanStatusCode.ERROR })
  span.setAttribute(attribute.errorType, type)
}
