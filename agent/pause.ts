/** Who asks, and whom. Nothing here is a customer: what is sent is the name of the agent, its release and its line of work. */
export type PauseFields = Readonly<{
  /** Address of the monitor's page and API, e.g. `http://localhost:4320`. */
  endpoint: string
  /** A token of the monitor with the role `read`, where it asks for one. */
  token?: string
  agent: string
  /** The release of this process: its `service.version`. */
  release: string
  /** Absent: a pause in any environment counts. */
  environment?: string
  /** What holds while the monitor cannot be asked, or has not been yet: go on serving, or stop. */
  whenUnknown: 'serve' | 'stop'
  /** How long an answer is used before the monitor is asked again. Default 1,000 ms. */
  refreshMs?: number
  /** How long the last "may serve" holds while the monitor does not answer; then `whenUnknown` does. Default 30,000 ms. */
  trustMs?: number
  /** How long one question may take. Default 1,000 ms. */
  timeoutMs?: number
  /** Told of every question that found no answer, for logs. */
  onUnknown?: (error: Error) => void
  fetch?: typeof fetch
  /** Milliseconds of a clock that never goes back. Default `performance.now()`. */
  nowMs?: () => number
}>

/** The line of work of one contact; absent parts ask for all of them. */
export type PausePart = Readonly<{ channel?: string; queue?: string }>

export type PauseAnswer = Readonly<{
  paused: boolean
  /** serving, stopped: what the monitor said. unknown: it could not be asked, and `whenUnknown` decided. */
  because: 'serving' | 'stopped' | 'unknown'
  /** The incident behind a stop, and where its contacts should go; '' when not known. */
  incidentId: string
  trafficGoesTo: string
}>

export type PauseWatch = Readonly<{
  /** Whether a new contact must not begin here. Never rejects. */
  isPaused: (part?: PausePart) => Promise<boolean>
  /** The same, with what is known about it. Never rejects. */
  ask: (part?: PausePart) => Promise<PauseAnswer>
}>

/** One line of work: the last answer, when it came, when the monitor was last asked, and the question under way. */
type Line = { said: PauseAnswer | null; saidAtMs: number; askedAtMs: number; asking: Promise<void> | null }

const MOST_LINES = 1_000

/**
 * The stop switch, asked at most once per `refreshMs` however often it is read. A stop that was heard holds until the monitor lifts it; only
 * "may serve" grows old while the monitor is away. There are no timers: nothing runs between the contacts.
 * Throws TypeError for an endpoint that is no address, or without agent, release or `whenUnknown`.
 */
export function watchPause(fields: PauseFields): PauseWatch {
  check(fields)
  const { refreshMs = 1_000, trustMs = 30_000, onUnknown, nowMs = () => performance.now() } = fields
  const lines = new Map<string, Line>()

  const lineOf = (part: PausePart): Line => {
    const key = JSON.stringify([part.channel ?? '', part.queue ?? ''])
    let line = lines.get(key)
    if (!line) {
      if (lines.size >= MOST_LINES) lines.delete(lines.keys().next().value!)
      line = { said: null, saidAtMs: -Infinity, askedAtMs: -Infinity, asking: null }
      lines.set(key, line)
    }
    return line
  }

  const refresh = async (line: Line, part: PausePart): Promise<void> => {
    line.askedAtMs = nowMs()
    try {
      line.said = await question(fields, part)
      line.saidAtMs = nowMs()
    } catch (error) {
      tell(onUnknown, error)
    } finally {
      line.asking = null
    }
  }

  const ask = async (part: PausePart = {}): Promise<PauseAnswer> => {
    const line = lineOf(part)
    if (nowMs() - line.askedAtMs >= refreshMs) line.asking ??= refresh(line, part)
    await line.asking
    const { said, saidAtMs } = line
    if (said?.paused || (said && nowMs() - saidAtMs < trustMs)) return said
    return { paused: fields.whenUnknown === 'stop', because: 'unknown', incidentId: '', trafficGoesTo: '' }
  }

  return { ask, isPaused: async (part) => (await ask(part)).paused }
}

function check({ endpoint, agent, release, whenUnknown }: PauseFields): void {
  if (!URL.canParse(endpoint))
    throw new TypeError('watchPause needs `endpoint`, the address of the page of the monitor')
  if (!agent || !release) throw new TypeError('watchPause needs `agent` and `release`: a release is what is paused')
  if (whenUnknown !== 'serve' && whenUnknown !== 'stop')
    throw new TypeError("watchPause needs `whenUnknown`: 'serve' or 'stop', for when the monitor cannot be asked")
}

/** What is told must not break who asks. */
function tell(onUnknown: PauseFields['onUnknown'], error: unknown): void {
  try {
    onUnknown?.(error instanceof Error ? error : new Error(String(error)))
  } catch {} // the contact goes on
}

/** Asks the monitor once, over OFREP. Rejects for anything but a clear yes or no. */
async function question(fields: PauseFields, part: PausePart): Promise<PauseAnswer> {
  const { endpoint, token, agent, release, environment, timeoutMs = 1_000 } = fields
  const url = new URL('ofrep/v1/evaluate/flags/andon.serving', endpoint.endsWith('/') ? endpoint : `${endpoint}/`)
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (token) headers.authorization = `Bearer ${token}`
  const response = await (fields.fetch ?? fetch)(url, {
    method: 'POST',
    headers,
    body: JSON.stringify({ context: { agent, release, environment, ...part } }),
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  })
  const text = await response.text() // read to the end, so that the connection can be used again
  if (!response.ok) throw new Error(`${url} answered ${response.status} ${text.slice(0, 300)}`)
  const { value, metadata } = JSON.parse(text) as { value?: unknown; metadata?: Partial<PauseAnswer> }
  if (typeof value !== 'boolean') throw new Error(`${url} answered, but is no stop switch`)
  const { incidentId = '', trafficGoesTo = '' } = metadata ?? {}
  return { paused: !value, because: value ? 'serving' : 'stopped', incidentId, trafficGoesTo }
}
