import { AndonError } from '../lib/errors.ts'
import { BadRequest, shown } from './problems.ts'
import type { Route } from './route.ts'

export type Match<R> =
  | Readonly<{ kind: 'found'; route: R; params: Readonly<Record<string, string>> }>
  | Readonly<{ kind: 'wrong_method'; allow: readonly string[] }>
  | Readonly<{ kind: 'nothing' }>

/** Finds the route of a request. Literal parts of a path go before `{name}`; HEAD is GET. */
export function createMatcher<R extends Pick<Route, 'method' | 'path'>>(
  routes: readonly R[],
): (method: string, path: string) => Match<R> {
  const known = routes
    .map((route) => ({ route, parts: route.path.split('/') }))
    .sort((a, b) => variablesOf(a.parts) - variablesOf(b.parts))
  return (method, path) => {
    const parts = path.split('/')
    const fitting = known.filter((candidate) => fits(candidate.parts, parts))
    if (fitting.length === 0) return { kind: 'nothing' }
    const wanted = method === 'HEAD' ? 'GET' : method
    const found = fitting.find(({ route }) => route.method === wanted)
    if (found) return { kind: 'found', route: found.route, params: paramsOf(found.parts, parts) }
    const methods = fitting.flatMap(({ route }) => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method]))
    return { kind: 'wrong_method', allow: [...new Set(methods)] }
  }
}

const isVariable = (part: string): boolean => part.startsWith('{')
const variablesOf = (parts: readonly string[]): number => parts.filter(isVariable).length

const fits = (pattern: readonly string[], parts: readonly string[]): boolean =>
  pattern.length === parts.length &&
  pattern.every((part, index) => (isVariable(part) ? parts[index] !== '' : part === parts[index]))

function paramsOf(pattern: readonly string[], parts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pattern.flatMap((part, index) => {
      if (!isVariable(part)) return []
      try {
        return [[part.slice(1, -1), decodeURIComponent(parts[index]!)]]
      } catch {
        throw new AndonError('bad_request', `the part ${part} of the address is not percent-encoded UTF-8`)
      }
    }),
  )
}

/** The query as an object; a key given twice is a mistake, since one of the two would be ignored. */
export function queryOf(url: string): Record<string, string> {
  const at = url.indexOf('?')
  const pairs = [...new URLSearchParams(at < 0 ? '' : url.slice(at + 1))]
  const twice = pairs.find(([key], index) => pairs.findIndex(([other]) => other === key) < index)
  if (twice) throw new BadRequest('bad_request', [{ at: `query.${shown(twice[0])}`, problem: 'is given twice' }])
  return Object.fromEntries(pairs)
}
