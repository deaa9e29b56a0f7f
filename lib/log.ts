import pino from 'pino'

export type Log = Readonly<{
  debug: (fields: object, message: string) => void
  info: (fields: object, message: string) => void
  warn: (fields: object, message: string) => void
  error: (fields: object, message: string) => void
}>

/** Structured JSON lines on stderr: stdout belongs to reports. */
export const createLog = (level: string): Log =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2))

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
