import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A file system in memory, where Linux has one. */
const MEMORY = '/dev/shm'
/** All stores, brokers and browser profiles of a run at one moment take a tenth of this. */
const ROOM_BYTES = 4 * 2 ** 30
const COMPILED = fileURLToPath(new URL('../node_modules/.cache/node-compile', import.meta.url))

/**
 * One folder for all that a run of the tests writes. It leaves with the run, also with one that is interrupted, as do processes that the tests
 * started and did not end. It lies in memory where there is room: stores are thousands of small files that live for seconds, and a disk costs more
 * processor time for those than ClickHouse.
 */
export default function setup(): void {
  const folder = mkdtempSync(join(hasRoom(MEMORY) ? MEMORY : tmpdir(), 'andon-tests-'))
  process.env.TMPDIR = folder
  process.env.NODE_COMPILE_CACHE = COMPILED // processes that the tests start compile nothing twice
  process.once('exit', () => {
    for (const pid of processesOf(folder)) kill(pid)
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  })
}

function hasRoom(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize >= ROOM_BYTES
  } catch {
    return false
  }
}

/** Processes, of any depth, that inherited the folder as their TMPDIR. */
function processesOf(folder: string): number[] {
  const isOurs = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`TMPDIR=${folder}`)
    } catch {
      return false // it ended, or is not ours to look into
    }
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isOurs(name))
    .map(Number)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {} // it ended meanwhile
}
