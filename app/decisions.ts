import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { Config } from '../config.ts'
import { type Incident, isHeld, partLabel } from '../facts/incident.ts'
import type { Operated } from '../facts/operation.ts'
import { releaseLabelOf } from '../facts/slice.ts'
import { AndonError } from '../lib/errors.ts'
import type { GateVerdict } from '../releases/gate.ts'
import type { KnownRelease } from '../releases/registry.ts'
import { incidentNamed } from './recovery-commands.ts'
import { runningApi } from './running-api.http.ts'
import type { Environment } from './secrets.ts'
import { printable, table } from './table.ts'

type Signed = Readonly<{ by: string; reason: string; json?: boolean }>
type Named = Readonly<{ agent: string; release: string; environment?: string }>

/** Names come from outside: what is printed for people holds no control characters. */
const print = (text: string): void => {
  process.stdout.write(`${text.split('\n').map(printable).join('\n')}\n`)
}
const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2))

/** `andon pause|rollback AGENT RELEASE`. */
export async function orderRelease(
  config: Config,
  env: Environment,
  word: 'pause' | 'rollback',
  options: Signed & Named & Readonly<{ channel?: string; queue?: string; traffic?: string }>,
): Promise<void> {
  const { agent, release, environment, channel, queue, traffic, by, reason } = options
  const body = { agent, release, environment, channel, queue, trafficGoesTo: traffic, reason }
  const answer = await runningApi(config, env)('POST', `/api/v1/releases/${word}`, { by, body })
  printOperated(answer.json() as Operated, options.json === true)
}

/** `andon ack|snooze|override|resume|accept|close INCIDENT`. */
export async function decideIncident(
  config: Config,
  env: Environment,
  options: Signed &
    Readonly<{ incident: string; word: string; for?: number; verdict?: string; channel?: string; queue?: string }>,
): Promise<void> {
  const { word, by, reason, verdict, channel, queue } = options
  const ask = runningApi(config, env)
  const { incidents } = (await ask('GET', '/api/v1/overview')).json() as { incidents: Incident[] }
  const { incidentId } = incidentNamed(incidents, options.incident)
  const minutes = word === 'snooze' ? options.for : undefined
  const body = given({ reason, minutes, verdict, channel, queue })
  const answer = await ask('POST', `/api/v1/incidents/${incidentId}/${word}`, { by, body })
  printOperated(answer.json() as Operated, options.json === true)
}

function printOperated(operated: Operated, asJson: boolean): void {
  if (asJson) printJson(operated)
  else print(operatedText(operated))
}

/** What a decision came to: what is in the journal now, and how the release stands. */
export function operatedText({ incident, changed, detail }: Operated): string {
  const parts =
    isHeld(incident) && incident.scope.length > 0 ? `, only ${incident.scope.map(partLabel).join(', ')}` : ''
  const standing = `${releaseLabelOf(incident.release)} is ${incident.state}${parts} (incident ${incident.incidentId})`
  return `${changed ? detail : `unchanged, ${detail}`}; ${standing}`
}

/** `andon release list`. */
export async function listReleases(config: Config, env: Environment, asJson: boolean): Promise<void> {
  const { releases } = (await runningApi(config, env)('GET', '/api/v1/release-records')).json() as {
    releases: KnownRelease[]
  }
  if (asJson) {
    printJson(releases)
    return
  }
  const rows = releases.map(({ release, state, parts, record, seen }) => [
    release.agent,
    release.release,
    release.environment,
    parts.length > 0 ? `${state}, ${parts.length} part${parts.length === 1 ? '' : 's'} stopped` : state,
    record?.owner ?? '–',
    record?.autonomy ?? '–',
    record?.previousRelease ?? '–',
    seen ? String(seen.contacts) : '–',
  ])
  const head = ['agent', 'release', 'environment', 'state', 'owner', 'autonomy', 'previous', 'contacts']
  print(rows.length === 0 ? 'no release was seen or registered yet' : table(head, rows))
}

const isoOf = (atMs: number): string => new Date(atMs).toISOString()

/** `andon release show AGENT RELEASE`. */
export async function showRelease(
  config: Config,
  env: Environment,
  options: Named & Readonly<{ json?: boolean }>,
): Promise<void> {
  const { agent, release, environment } = options
  const answer = await runningApi(config, env)('GET', '/api/v1/release-records/find', {
    query: { agent, release, environment },
  })
  const known = answer.json() as KnownRelease
  if (options.json) {
    printJson(known)
    return
  }
  const { record, registered, seen, transitions, parts } = known
  const lines = [
    releaseLabelOf(known.release),
    `State      ${known.state}${parts.map((part) => `; ${partLabel(part)} ${part.state}`).join('')}`,
    `Seen       ${seen ? `${seen.contacts} contacts` : 'no contact yet'}`,
    `Record     ${registered ? `by ${registered.by}, ${isoOf(registered.atMs)}: ${registered.reason}` : 'none: andon release register'}`,
    ...(record ? [JSON.stringify(record, null, 2)] : []),
    ...transitions.map(
      ({ atMs, from, to, by, reason, scope }) =>
        `${isoOf(atMs)}  ${from} → ${to}${scope.length > 0 ? ` (${scope.map(partLabel).join(', ')})` : ''}  ${by || 'andon'}: ${reason}`,
    ),
  ]
  print(lines.join('\n'))
}

type Register = Signed &
  Named &
  Readonly<{
    file?: string
    owner?: string
    prompt?: string
    policy?: string
    model?: string
    allow?: string[]
    systems?: string[]
    autonomy?: string
    previous?: string
    triggers?: string[]
    traffic?: string
  }>

/** `andon release register AGENT RELEASE`: options go before what the file says. */
export async function registerRelease(config: Config, env: Environment, options: Register): Promise<void> {
  const { agent, release, environment = '', by, reason, file } = options
  const { prompt, policy, model } = options
  const written = file === undefined ? {} : recordIn(file)
  const change = given({ prompt, policy, model })
  const record = {
    ...written,
    ...given({
      owner: options.owner,
      allowedActions: options.allow,
      affectedSystems: options.systems,
      autonomy: options.autonomy,
      previousRelease: options.previous,
      triggers: options.triggers,
      trafficGoesTo: options.traffic,
    }),
    ...(Object.keys(change).length > 0 && { change: { ...(written.change as object | undefined), ...change } }),
  }
  const answer = await runningApi(config, env)('PUT', '/api/v1/release-records', {
    by,
    body: { agent, release, environment, record, reason },
  })
  const known = answer.json() as KnownRelease
  if (options.json) printJson(known)
  else print(`${releaseLabelOf(known.release)}: registered by ${by}`)
}

const given = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

function recordIn(file: string): Record<string, unknown> {
  let value: unknown
  try {
    value = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new AndonError('unreadable', `${file} cannot be read: ${(error as Error).message.split('\n')[0]}`, {
      cause: error,
    })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new AndonError('unreadable', `${file} must hold one record: owner, change, allowedActions, …`)
}

/** `andon release retire AGENT RELEASE`. */
export async function retireRelease(config: Config, env: Environment, options: Signed & Named): Promise<void> {
  const { agent, release, environment, by, reason } = options
  const body = { agent, release, environment, reason }
  const known = (await runningApi(config, env)('POST', '/api/v1/releases/retire', { by, body })).json() as KnownRelease
  if (options.json) printJson(known)
  else print(`${releaseLabelOf(known.release)}: ${known.state}`)
}

const MARK = { passed: 'ok', failed: 'NO', unknown: '??', not_asked: '--' } as const

/** `andon gate AGENT RELEASE`: prints every check. Resolves to whether it may go on. */
export async function gateRelease(
  config: Config,
  env: Environment,
  options: Named & Readonly<{ stage: string; json?: boolean }>,
): Promise<boolean> {
  const { agent, release, environment, stage } = options
  const query = { agent, release, environment, stage }
  const verdict = (await runningApi(config, env)('GET', '/api/v1/gate', { query })).json() as GateVerdict
  if (options.json) printJson(verdict)
  else {
    const percent = (share: number | null) => (share === null ? '' : `${Number((share * 100).toPrecision(4))} %`)
    const rows = verdict.checks.map(({ name, result, value, limit, detail }) => [
      MARK[result],
      name,
      value === null ? '' : `${percent(value)} (at least ${percent(limit)})`,
      detail,
    ])
    print(table(['', 'check', 'measured', 'why'], rows))
    print(`${agent} ${release}: ${verdict.passed ? 'may go on' : 'must not go on'} (${stage})`)
  }
  return verdict.passed
}

/** `andon audit`. */
export async function printAudit(
  config: Config,
  env: Environment,
  options: Readonly<{ format: string; incident?: string; from?: string; until?: string }>,
): Promise<void> {
  const { format, incident: incidentId, from, until } = options
  const answer = await runningApi(config, env)('GET', '/api/v1/audit', { query: { format, incidentId, from, until } })
  if (format === 'json') printJson(answer.json())
  else process.stdout.write(answer.text)
}
