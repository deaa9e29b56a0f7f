import { existsSync, readFileSync } from 'node:fs'
import { LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { crossMistakes } from './config-checks.ts'
import { type Config, configJsonSchema, configSchema, DEFAULT_CONFIG } from './config-schema.ts'
import { AndonError } from './lib/errors.ts'
import { type Mistake, mistakesOf, pathText, renderMistakes, valueAt } from './lib/mistakes.ts'

export * from './config-schema.ts'

/**
 * Reads a configuration file. Without a path, `andon.yaml` where it exists, else the defaults.
 * Throws AndonError `config` with every mistake: line, path, what was found, what is allowed.
 */
export function readConfig(path?: string): Config {
  const file = path ?? (existsSync('andon.yaml') ? 'andon.yaml' : null)
  if (file === null) return DEFAULT_CONFIG
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new AndonError('config', `${file} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  return parseConfig(text, file)
}

/** See {@link readConfig}. `name` is how messages call the file. */
export function parseConfig(text: string, name: string): Config {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  if (document.errors.length > 0)
    throw new AndonError(
      'config',
      document.errors
        .map(
          (error) =>
            `${name}:${lines.linePos(error.pos[0]).line} ${error.code === 'MULTIPLE_DOCS' ? 'begins a second YAML document; keep one' : `is not YAML: ${error.message.split(/ at line \d|\n/)[0]}`}`,
        )
        .join('\n'),
    )
  let value: unknown
  try {
    value = document.toJS() ?? {}
  } catch (error) {
    throw new AndonError('config', `${name} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  const { config, mistakes } = validate(value)
  if (mistakes.length > 0) throw new AndonError('config', renderMistakes(mistakes, { name, document, lines, isSecret }))
  return config!
}

/** Values under these keys may be secrets written in the wrong place: they are never repeated. */
const isSecret = (path: readonly PropertyKey[]): boolean =>
  path.some((key) => ['secret', 'token', 'tokens', 'url', 'urlFrom'].includes(String(key)))

/** Every mistake, and the configuration where there is none. */
function validate(value: unknown): { config?: Config; mistakes: Mistake[] } {
  const parsed = configSchema.safeParse(value)
  if (parsed.success) return { config: parsed.data, mistakes: crossMistakes(parsed.data) }
  const { issues } = parsed.error
  const known = structuredClone(value)
  const found = mistakesOf(issues, configJsonSchema(), value)
  // Unknown keys hide what the rest of their map would say, so it is read a second time without them.
  const more = issues.map((issue) => removeUnknown(issue, known)).includes(true)
    ? validate(known).mistakes
    : mistakesBeside(issues, known)
  const told = new Set(found.map(({ path }) => pathText(path)))
  return { mistakes: [...found, ...more.filter(({ path }) => !told.has(pathText(path)))] }
}

/** What is wrong beside these issues: sections, and entries of lists, that have one are left out, and the rest is read again. */
function mistakesBeside(
  issues: readonly z.core.$ZodIssue[],
  value: unknown,
  brokenBefore: readonly PropertyKey[] = [],
): Mistake[] {
  const broken = [...brokenBefore, ...issues.flatMap(({ path }) => path.slice(0, 1))]
  const places: Places = new Map()
  if (!leaveOut(issues, value, places)) return []
  const parsed = configSchema.safeParse(value)
  const mistakes = parsed.success
    ? crossMistakes(parsed.data, (section) => !broken.includes(section))
    : [
        ...mistakesOf(parsed.error.issues, configJsonSchema(), value),
        ...mistakesBeside(parsed.error.issues, value, broken),
      ]
  return mistakes.map((mistake) => {
    const [section, entry, ...rest] = mistake.path
    const place = places.get(section)?.[Number(entry)]
    return place === undefined ? mistake : { ...mistake, path: [section!, place, ...rest] }
  })
}

/** Of lists that lost entries: where those that are left stood before. */
type Places = Map<PropertyKey | undefined, number[]>

/** False when there was nothing that could be left out. */
function leaveOut(issues: readonly z.core.$ZodIssue[], value: unknown, places: Places): boolean {
  const bySection = Map.groupBy(issues, ({ path }) => path[0])
  if (typeof value !== 'object' || value === null || bySection.has(undefined)) return false
  const sections = value as Record<PropertyKey, unknown>
  for (const [section, ofSection] of bySection) {
    const list = sections[section!]
    const entries = new Set(ofSection.map(({ path }) => path[1]))
    if (!Array.isArray(list) || entries.has(undefined)) delete sections[section!]
    else {
      const left = [...list.keys()].filter((place) => !entries.has(place))
      places.set(section, left)
      sections[section!] = left.map((place): unknown => list[place])
    }
  }
  return true
}

/** Removes the unknown keys of one issue; true when there was one. */
function removeUnknown(issue: z.core.$ZodIssue, value: unknown): boolean {
  if (issue.code === 'invalid_union')
    return issue.errors.some(
      (issues) =>
        issues.length === 1 && removeUnknown({ ...issues[0]!, path: [...issue.path, ...issues[0]!.path] }, value),
    )
  const inside = issue.code === 'unrecognized_keys' && valueAt(value, issue.path)
  if (!inside || issue.code !== 'unrecognized_keys') return false
  return issue.keys.map((key) => Reflect.deleteProperty(inside, key)).includes(true)
}
