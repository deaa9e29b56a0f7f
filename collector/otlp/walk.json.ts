import type { Reject } from './raw.ts'
import type { Fields } from './value.json.ts'
import { isFields } from './value.json.ts'

/** The names of the three levels of an OTLP/JSON request. Old exporters call the middle one otherwise. */
export type Levels = Readonly<{ resources: string; scopes: readonly string[]; items: string; endpoint: string }>

export const TRACE_LEVELS: Levels = {
  resources: 'resourceSpans',
  scopes: ['scopeSpans', 'instrumentationLibrarySpans'],
  items: 'spans',
  endpoint: '/v1/traces',
}
export const LOG_LEVELS: Levels = {
  resources: 'resourceLogs',
  scopes: ['scopeLogs', 'instrumentationLibraryLogs'],
  items: 'logRecords',
  endpoint: '/v1/logs',
}
export const METRIC_LEVELS: Levels = {
  resources: 'resourceMetrics',
  scopes: ['scopeMetrics', 'instrumentationLibraryMetrics'],
  items: 'metrics',
  endpoint: '/v1/metrics',
}

export type Walker = Readonly<{
  onResource: (resource: unknown) => void
  /** `path` is for messages; calling it is what costs. Entries that are no objects never arrive here. */
  onItem: (item: Fields, path: () => string, scope: unknown) => void
  reject: Reject
}>

/** Visits every item of a request, reporting every container and entry that is not what it should be, and going on. */
export function walk(body: Fields, levels: Levels, walker: Walker): void {
  reportForeignSignal(body, levels, walker.reject)
  const { resources, scopes, items } = levels
  eachObject(body[resources], resources, 0, walker.reject, (resource, resourcePath) => {
    walker.onResource(resource.resource)
    for (const level of scopes) {
      const scopesPath = () => `${resourcePath()}.${level}`
      eachObject(resource[level], scopesPath, 0, walker.reject, (scope, scopePath) => {
        const itemsPath = () => `${scopePath()}.${items}`
        eachObject(scope[items], itemsPath, 1, walker.reject, (item, itemPath) => {
          walker.onItem(item, itemPath, scope.scope)
        })
      })
    }
  })
}

/** Absent is an empty list; anything else that is no list is reported, and so is every entry that is no object. */
export function eachObject(
  list: unknown,
  path: string | (() => string),
  itemsPerEntry: number,
  reject: Reject,
  visit: (entry: Fields, path: () => string) => void,
): void {
  if (list === undefined) return
  const name = () => (typeof path === 'string' ? path : path())
  if (!Array.isArray(list)) {
    reject('not_a_list', name(), `must be a list, found ${kindOf(list)}`, 0)
    return
  }
  for (let i = 0; i < list.length; i++) {
    const entry: unknown = list[i]
    const entryPath = () => `${name()}[${i}]`
    if (isFields(entry)) visit(entry, entryPath)
    else
      reject(
        'not_an_object',
        entryPath(),
        `must be an object, found ${Array.isArray(entry) ? 'a list' : kindOf(entry)}`,
        itemsPerEntry,
      )
  }
}

const kindOf = (x: unknown): string => (x === null ? 'null' : typeof x === 'object' ? 'an object' : `a ${typeof x}`)

/** Unknown fields are ignored, but a whole request of another signal is a mistake worth a word. */
function reportForeignSignal(body: Fields, levels: Levels, reject: Reject): void {
  if (body[levels.resources] !== undefined) return
  for (const other of [TRACE_LEVELS, LOG_LEVELS, METRIC_LEVELS]) {
    if (other !== levels && Array.isArray(body[other.resources])) {
      reject(
        'wrong_endpoint',
        other.resources,
        `belongs to ${other.endpoint}, not to ${levels.endpoint}; nothing was taken from it`,
        0,
      )
    }
  }
}
