import { writeFileSync } from 'node:fs'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Config } from '../config.ts'
import { type Retraced, retrace } from '../detectors/retrace.clickhouse.ts'
import { wilsonInterval } from '../detectors/sequential/wilson.ts'
import type { Finding } from '../facts/finding.ts'
import type { Incident } from '../facts/incident.ts'
import { AndonError } from '../lib/errors.ts'
import { openExistingStore } from './existing-store.clickhouse.ts'
import { explanationSvg } from './explain-picture.ts'
import { explanationText } from './explain-text.ts'
import { runningExplanation } from './running-overview.http.ts'
import type { Environment } from './secrets.ts'
import { storedIncidents } from './stored-overview.clickhouse.ts'

/** The rate of a stretch of contacts, by their start. */
export type RatePoint = Readonly<{
  fromMs: number
  toMs: number
  trials: number
  hits: number
  low: number
  high: number
}>

/** One finding of an incident, computed again step by step from the store. */
export type Explained = Readonly<{
  incidentId: string
  state: Incident['state']
  finding: Finding
  /** The replay came to the same decision, to the last bit. */
  same: boolean
  retraced: Retraced
  rates: readonly RatePoint[]
}>

/** Bars of the rate panel. */
const RATE_POINTS = 24

/**
 * Prints why an incident was opened: the evidence step by step, replayed from the store to the same decision, by the running monitor or,
 * where none runs, from its store. True when it is the same decision. Throws AndonError `unknown` for an id that no incident (or more than
 * one) begins with.
 */
export async function explain(options: {
  config: Config
  env: Environment
  incident: string
  /** Explains what this trigger added, when it joined the incident. Default: the trigger that opened it. */
  trigger: string | null
  json: boolean
  svg: string | null
}): Promise<boolean> {
  const { config, env, incident, trigger, svg, json } = options
  const explained =
    (await runningExplanation(config, env, incident, trigger)) ?? (await fromStore(config, env, incident, trigger))
  if (svg !== null) writePicture(svg, explanationSvg(explained))
  console.log(json ? JSON.stringify(explained, null, 2) : explanationText(explained))
  return explained.same
}

async function fromStore(
  config: Config,
  env: Environment,
  incident: string,
  trigger: string | null,
): Promise<Explained> {
  const store = await openExistingStore(config, env)
  return explainIncident(store, incident, trigger).finally(() => store.close())
}

/** Explains incidents to the API. Throws AndonError `not_found` for one that is not there. */
export const explainer =
  (store: ClickHouseClient) =>
  async (id: string, trigger: string | null, as: 'json' | 'svg'): Promise<string> => {
    try {
      const explained = await explainIncident(store, id, trigger)
      return as === 'svg' ? explanationSvg(explained) : JSON.stringify(explained)
    } catch (error) {
      if (!(error instanceof AndonError) || error.code !== 'unknown') throw error
      throw new AndonError('not_found', error.message)
    }
  }

export async function explainIncident(
  store: ClickHouseClient,
  id: string,
  trigger: string | null = null,
): Promise<Explained> {
  const incident = incidentOf(await storedIncidents(store), id)
  const findings = [incident.finding, ...incident.joined]
  const measured = findings.filter(({ by }) => by !== 'person' && by !== 'silence')
  if (measured.length === 0)
    throw new AndonError(
      'unknown',
      `incident ${incident.incidentId} rests on no evidence that could be replayed: ${incident.finding.reason}`,
    )
  const finding = trigger === null ? measured[0] : measured.find((one) => one.trigger === trigger)
  if (!finding)
    throw new AndonError(
      'unknown',
      `no trigger '${trigger}' took part in incident ${incident.incidentId}; there are ${measured.map((one) => one.trigger).join(', ')}`,
    )
  const retraced = await retrace(store, finding)
  return {
    incidentId: incident.incidentId,
    state: incident.state,
    finding,
    same: retraced.differences.length === 0,
    retraced,
    rates: ratesOf(retraced),
  }
}

function incidentOf(incidents: readonly Incident[], id: string): Incident {
  const found = incidents.filter((incident) => incident.incidentId.startsWith(id.toLowerCase()))
  if (found.length === 1 && id !== '') return found[0]!
  const known = incidents.map((incident) => incident.incidentId.slice(0, 8))
  throw new AndonError(
    'unknown',
    found.length > 1 && id !== ''
      ? `${found.length} incidents begin with '${id}': give more of the id`
      : `there is no incident '${id}' in this store; there ${known.length === 0 ? 'is none' : `are ${known.slice(-20).join(', ')}`}`,
  )
}

/** Equal stretches of time between the first contact and the decision, with their 95 % Wilson intervals. */
function ratesOf({ minutes }: Retraced): RatePoint[] {
  const first = minutes[0]
  if (!first) return []
  const widthMs = Math.max(
    60_000,
    Math.ceil((minutes.at(-1)!.minuteMs + 60_000 - first.minuteMs) / RATE_POINTS / 60_000) * 60_000,
  )
  const bins = Map.groupBy(minutes, ({ minuteMs }) => Math.floor((minuteMs - first.minuteMs) / widthMs))
  return [...bins].flatMap(([bin, rows]) => {
    const trials = rows.reduce((sum, row) => sum + row.trials, 0)
    if (trials <= 0) return []
    const hits = Math.min(
      trials,
      Math.max(
        0,
        rows.reduce((sum, row) => sum + row.hits, 0),
      ),
    )
    const fromMs = first.minuteMs + bin * widthMs
    return [{ fromMs, toMs: fromMs + widthMs, trials, hits, ...wilsonInterval(hits, trials) }]
  })
}

function writePicture(file: string, svg: string): void {
  try {
    writeFileSync(file, svg)
  } catch (error) {
    throw new AndonError('unreadable', `--svg ${file} cannot be written: ${(error as Error).message}`, { cause: error })
  }
}
