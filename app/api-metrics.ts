import { Counter, Histogram, type Registry } from 'prom-client'
import type { ApiOptions } from '../api/serve.http.ts'

/** Seconds; the stop switch is asked before a contact begins, so a few milliseconds matter. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2, 10]

/** Counts what the API answers, by route and status. Routes are those of the list, so their number is bounded whatever is asked. */
export function observeApi(registry: Registry): NonNullable<ApiOptions['observe']> {
  const registers = [registry]
  const answers = new Counter({
    name: 'andon_api_answers_total',
    help: 'Answers of the API; route is empty where none was found or nobody was let in.',
    labelNames: ['route', 'status'],
    registers,
  })
  const seconds = new Histogram({
    name: 'andon_api_answer_seconds',
    help: 'Time from the head of a request to its answer.',
    labelNames: ['route'],
    buckets: BUCKETS,
    registers,
  })
  return (route, status, elapsedMs) => {
    answers.inc({ route, status: String(status) })
    seconds.observe({ route }, elapsedMs / 1000)
  }
}
