import { Counter, type Registry } from 'prom-client'
import { keepBeating } from '../alerts/heartbeat.ts'
import { createPost } from '../alerts/post.http.ts'
import type { Config } from '../config.ts'
import { wallClock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { type Environment, readSecret } from './secrets.ts'

/** Where to ping; null when nothing is configured. Throws AndonError `secret`. */
export function heartbeatUrl({ heartbeat: { url, urlFrom } }: Config, env: Environment): string | null {
  return (urlFrom ? readSecret(urlFrom, env).trim() : url) ?? null
}

/** Pings the dead man's switch while the monitor is ready; resolves when told to stop, at once when there is none. */
export async function heartbeat(edges: {
  url: string | null
  config: Config
  log: Log
  registry: Registry
  isHealthy: () => Promise<boolean>
  signal: AbortSignal
}): Promise<void> {
  const { url, config, log, isHealthy, signal } = edges
  if (url === null) return
  const { everySeconds, allowPrivate } = config.heartbeat
  const beats = new Counter({
    name: 'andon_heartbeats_total',
    help: "Pings of the dead man's switch by outcome; skipped: the monitor was not healthy.",
    labelNames: ['outcome'],
    registers: [edges.registry],
  })
  await keepBeating({
    url,
    everyMs: everySeconds * 1000,
    allowPrivate,
    isHealthy,
    post: createPost({ clock: wallClock }),
    clock: wallClock,
    log,
    signal,
    onBeat: (outcome) => beats.inc({ outcome }),
  })
}
