import { wallClock } from '../lib/clock.ts'
import { AndonError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import { runContactCentre } from '../simulator/emit.ts'
import { startPager } from '../simulator/pager.http.ts'
import { startPlatform } from '../simulator/platform.http.ts'
import { createRouting } from '../simulator/routing.ts'
import { DAY_MS, demoScenario } from '../simulator/scenario.ts'
import { type Environment, readSecret } from './secrets.ts'

const FORTNIGHT_MS = 14 * DAY_MS
const STEP_MS = 3 * 3_600_000
/** A monitor that is still starting refuses; the fortnight begins again then, with the same ids, so nothing counts twice. */
const AGAIN_MS = 2_000

export type ContactCentreOptions = Readonly<{
  otlp: string
  outcomes?: string
  platformHost: string
  platformPort: number
  secretFile?: string
  /** Where Grafana's alerts are taken, when there is the key that they are signed with. */
  pagerPort: number
  pagerSecretFile?: string
  tokenFile?: string
  seconds: number
  seed: number
  env: Environment
}>

/** Plays the fortnight that ends now, obeys pauses, and keeps platform and pager until it is told to stop. */
export async function contactCentre(options: ContactCentreOptions): Promise<void> {
  const { env } = options
  const log = createLog('info')
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const secret = readSecret(options.secretFile ? { file: options.secretFile } : { env: 'ANDON_PLATFORM_SECRET' }, env)
  const token = options.tokenFile ? readSecret({ file: options.tokenFile }, env) : undefined
  const scenario = demoScenario({ startMs: wallClock.nowMs() - FORTNIGHT_MS, cycles: 1 })
  const routing = createRouting()
  let eventMs = scenario.startMs
  const platform = await startPlatform({
    routing,
    secrets: [secret.trim()],
    clock: wallClock,
    eventNowMs: () => eventMs,
    environment: scenario.environment,
    host: options.platformHost,
    port: options.platformPort,
    onAccepted: ({ agent, release, incidentId }) => log.info({ agent, release, incidentId }, 'a release was paused'),
  })
  const pager = options.pagerSecretFile
    ? await startPager({
        secret: readSecret({ file: options.pagerSecretFile }, env).trim(),
        clock: wallClock,
        host: options.platformHost,
        port: options.pagerPort,
        onPaged: (paged) => log.warn(paged, 'on-call is told'),
      })
    : null
  log.info({ platform: platform.url, otlp: options.otlp }, 'the contact centre works')
  try {
    while (!stop.signal.aborted) {
      try {
        const { contacts, spans, outcomes, completed } = await runContactCentre({
          scenario,
          seed: options.seed,
          receiver: {
            endpoint: options.otlp,
            outcomes: { endpoint: options.outcomes ?? options.otlp, ...(token && { token }) },
          },
          routing,
          clock: wallClock,
          speed: FORTNIGHT_MS / (options.seconds * 1000),
          stepMs: STEP_MS,
          signal: stop.signal,
          onStep: (progress) => {
            eventMs = progress.eventMs
          },
        })
        if (completed) log.info({ contacts, spans, outcomes }, 'the fortnight is told; the platform stays')
        break
      } catch (error) {
        if (!(error instanceof AndonError)) throw error
        log.warn({ err: error.message }, 'the telemetry was not taken; trying again')
        await wallClock.sleep(AGAIN_MS, stop.signal)
      }
    }
    if (!stop.signal.aborted) await wallClock.sleep(2 ** 31 - 1, stop.signal)
  } finally {
    await pager?.close()
    await platform.close()
  }
}
