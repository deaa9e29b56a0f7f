import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A file system in memory, where Linux has one. */
const MEMORY = '/dev/shm'
/** Many times what the stores, brokers and browser profiles of three files hold at one moment. */
const ROOM_BYTES = 4 * 2 ** 30
const COMPILED = fileURLToPath(new URL('../node_modules/.cache/node-compile', import.meta.url))

/**
 * One folder for all that a run of the tests writes. It leaves with the run, also with one that is interrupted, as do processes that the tests
 * started and did not end. It lies in memory where there is room: stores are thousands of small files that live for seconds, and making those on a
 * disk takes a fifth of all processor time.
 */
export default function setup(): void {
  const folder = mkdtempSync(join(isUsable(MEMORY) ? MEMORY : tmpdir(), 'andon-tests-'))
  process.env.TMPDIR = folder
  process.env.NODE_COMPILE_CACHE = COMPILED // processes that the tests start compile nothing twice
  process.once('exit', () => {
    for (const pid of processesOf(folder)) kill(pid)
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  })
}

/** Whether it is a file system with room on which programs may lie: brokers unpack some. */
function isUsable(folder: string): boolean {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n')
  const options = mounts.map((line) => line.split(' ')).find(([, place]) => place === folder)?.[3]
  if (options === undefined || options.split(',').includes('noexec')) return false
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize >= ROOM_BYTES
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
