import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Chromium, where a Linux has it; undefined where it has none. */
export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

export const runs = (command: string): boolean => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0

type Place = Readonly<{ onCi: boolean; hasApt: boolean }>

/** CI is what runners of continuous integration set; .ci/run installs by apt what the tests need. */
const here = (): Place => ({ onCi: !['', 'false'].includes(process.env.CI ?? ''), hasApt: runs('apt-get') })

/**
 * Whether tests that need tools from outside npm can run. What is missing is said, with the packages that bring it and what is not checked without
 * it. Throws where it must not be missing: in CI, where apt could install it, a suite that checks less would be green for no reason.
 */
export function haveTools(
  missing: readonly string[],
  { packages, unchecked }: Readonly<{ packages: string; unchecked: string }>,
  place: Place = here(),
): boolean {
  if (missing.length === 0) return true
  const told = `no ${missing.join(', no ')}: ${unchecked} (apt-get install ${packages})`
  if (place.onCi && place.hasApt) throw new Error(`CI must have what .ci/run installs, and there is ${told}`)
  process.stderr.write(`\n*** SKIPPED: ${told}\n\n`)
  return false
}
