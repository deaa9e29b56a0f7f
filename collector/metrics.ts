import type { MetricPoint } from '../facts/span.ts'
import { idOf } from '../lib/hash.ts'
import { boundedText } from './bounded-text.ts'
import { canonicalJson } from './canonical.ts'
import { FIELD } from './field-names.ts'
import type { Namer } from './name-span.ts'
import { labelOf, textAt, textByRank } from './name-span.ts'
import type { AllAttributes, Keys, Picked, RawPoint } from './otlp/raw.ts'
import { createPicked, pick } from './otlp/raw.ts'

const TEMPORALITY = { 1: 'delta', 2: 'cumulative' } as const

/**
 * The fact of one metric point, named like a span. `series` tells time series apart by all attributes of resource, scope and point,
 * in whatever order they came; `atMs` is 0 when the point tells no time.
 */
export function pointOf(point: RawPoint, namer: Pick<Namer, 'keys'>): MetricPoint {
  const named = {
    attributes: pickAll(point.attributes, namer.keys),
    resource: pickAll(point.resource, namer.keys),
  }
  return {
    name: boundedText(point.name),
    series: idOf(canonicalAttributes(point.resource), point.scope, canonicalAttributes(point.attributes)),
    environment: textByRank(named, FIELD.environment),
    agent: textAt(named.attributes, FIELD.agentName) || textAt(named.resource, FIELD.serviceName),
    release: textByRank(named, FIELD.release),
    channel: labelOf(named, FIELD.channel),
    queue: labelOf(named, FIELD.queue),
    startMs: point.startMs,
    atMs: point.timeMs,
    value: point.value,
    temporality: point.gauge ? 'gauge' : TEMPORALITY[point.temporality as 1 | 2],
    monotonic: point.monotonic ? 1 : 0,
  }
}

const canonicalAttributes = (attributes: AllAttributes): string => canonicalJson(Object.fromEntries(attributes))

function pickAll(attributes: AllAttributes, keys: Keys): Picked {
  const picked = createPicked(keys)
  for (const [name, value] of attributes) {
    const targets = keys.ofName(name)
    if (targets !== undefined) pick(picked, targets, value)
  }
  return picked
}
