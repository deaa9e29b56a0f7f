import { isWithin, POINT } from '../bounded-number.ts'
import type { MetricSink, RawPoint } from './raw.ts'
import { COUNT_FIX, NO_RECORDED_VALUE, scopeText, TEMPORALITY_FIX, VALUE_FIX } from './raw.ts'
import type { Fields } from './value.json.ts'
import { allAttributes, doubleOf, enumOf, integerOf, isFields, nanosAsMs, parseBody, textOf } from './value.json.ts'
import { eachObject, METRIC_LEVELS, walk } from './walk.json.ts'

const TEMPORALITIES = { AGGREGATION_TEMPORALITY_DELTA: 1, AGGREGATION_TEMPORALITY_CUMULATIVE: 2 } as const

/** The data fields of a metric whose points carry one number each, and those that carry a count and a sum. */
const NUMBER_FIELDS = ['gauge', 'sum'] as const
const DISTRIBUTION_FIELDS = ['histogram', 'exponentialHistogram', 'summary'] as const

/**
 * Reads an OTLP/JSON metrics request: sums and gauges as they are; histograms and summaries as `<name>.count` and `<name>.sum`.
 * @throws AndonError 'undecodable' when the body is no JSON object.
 */
export function readMetricsJson(bytes: Uint8Array, sink: MetricSink): void {
  let resource: RawPoint['resource'] = []
  walk(parseBody(bytes), METRIC_LEVELS, {
    reject: sink.reject,
    onResource: (given) => {
      resource = isFields(given) ? allAttributes(given.attributes) : []
    },
    onItem: (metric, path, scope) => {
      const scopeName = isFields(scope) ? scopeText(textOf(scope.name), textOf(scope.version)) : scopeText('', '')
      const common = { resource, scope: scopeName, name: textOf(metric.name) }
      for (const field of NUMBER_FIELDS) {
        const data = metric[field]
        if (isFields(data)) readNumbers(data, common, field === 'gauge', () => `${path()}.${field}`, sink)
      }
      for (const field of DISTRIBUTION_FIELDS) {
        const data = metric[field]
        if (isFields(data)) readDistributions(data, common, field === 'summary', () => `${path()}.${field}`, sink)
      }
    },
  })
}

type Common = Pick<RawPoint, 'resource' | 'scope' | 'name'>

const timesOf = (point: Fields) => ({
  startMs: nanosAsMs(point.startTimeUnixNano),
  timeMs: nanosAsMs(point.timeUnixNano),
})

function readNumbers(data: Fields, common: Common, gauge: boolean, path: () => string, sink: MetricSink): void {
  const temporality = gauge ? 0 : enumOf(data.aggregationTemporality, TEMPORALITIES)
  eachObject(
    data.dataPoints,
    () => `${path()}.dataPoints`,
    1,
    sink.reject,
    (point, pointPath) => {
      if (enumOf(point.flags, {}) & NO_RECORDED_VALUE) return
      if (!gauge && temporality !== 1 && temporality !== 2) {
        return sink.reject('temporality', `${path()}.aggregationTemporality`, TEMPORALITY_FIX, 1)
      }
      const value = Number(doubleOf(point.asDouble) ?? integerOf(point.asInt) ?? Number.NaN)
      if (!isWithin(value, POINT)) return sink.reject('value', pointPath(), VALUE_FIX, 1)
      const attributes = allAttributes(point.attributes)
      const monotonic = !gauge && data.isMonotonic === true
      sink.onPoint({ ...common, ...timesOf(point), attributes, temporality, gauge, monotonic, value }, pointPath)
    },
  )
}

/** A summary is cumulative by definition. */
function readDistributions(data: Fields, common: Common, summary: boolean, path: () => string, sink: MetricSink): void {
  const temporality = summary ? 2 : enumOf(data.aggregationTemporality, TEMPORALITIES)
  eachObject(
    data.dataPoints,
    () => `${path()}.dataPoints`,
    1,
    sink.reject,
    (point, pointPath) => {
      if (enumOf(point.flags, {}) & NO_RECORDED_VALUE) return
      if (temporality !== 1 && temporality !== 2) {
        return sink.reject('temporality', `${path()}.aggregationTemporality`, TEMPORALITY_FIX, 1)
      }
      const count = Number(integerOf(point.count) ?? 0)
      const sum = doubleOf(point.sum)
      if (!isWithin(count, POINT)) return sink.reject('value', `${pointPath()}.count`, COUNT_FIX, 1)
      const raw = {
        ...common,
        ...timesOf(point),
        attributes: allAttributes(point.attributes),
        temporality,
        gauge: false,
      }
      sink.onPoint({ ...raw, name: `${common.name}.count`, monotonic: true, value: count }, pointPath)
      if (sum === undefined || !isWithin(sum, POINT)) return
      sink.onPoint({ ...raw, name: `${common.name}.sum`, monotonic: true, value: sum }, pointPath)
    },
  )
}
