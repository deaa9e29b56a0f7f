import type { Namer } from './name-span.ts'
import { createNamer } from './name-span.ts'
import { namesSchema } from './names.ts'
import { createPseudonymizer } from './pseudonym.ts'

/** For tests: a namer with the plain convention, or with what `names` adds to it. */
export const plainNamer = (names: unknown = {}): Namer =>
  createNamer(namesSchema.parse(names), createPseudonymizer({ secret: 'a secret only for tests', keyVersion: 1 }))

/** For tests: OTLP/JSON attributes from a plain object. */
export const attributesOf = (values: Readonly<Record<string, string | number | boolean>>) =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value:
      typeof value === 'string'
        ? { stringValue: value }
        : typeof value === 'boolean'
          ? { boolValue: value }
          : { doubleValue: value },
  }))

export const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
export const SPAN_ID = 'b7ad6b7169203331'
export const PARENT_ID = '00f067aa0ba902b7'

/** For tests: an OTLP/JSON trace request of one span. */
export const requestOf = (
  span: Readonly<Record<string, unknown>>,
  resource: Readonly<Record<string, string | number | boolean>> = {},
) => ({
  resourceSpans: [
    {
      resource: { attributes: attributesOf(resource) },
      scopeSpans: [{ spans: [{ traceId: TRACE_ID, spanId: SPAN_ID, name: 'a span', ...span }] }],
    },
  ],
})
