/** Writes what is derived from code: `node docs/generate.ts`. A test compares the files with what this would write. */
import { readFileSync, writeFileSync } from 'node:fs'
import { openApiOf } from '../api/openapi.ts'
import { PROBLEMS } from '../api/problems.ts'
import { declaredRoutes } from '../api/routes.ts'
import { configJsonSchema } from '../config.ts'
import { generated as boards } from '../dashboards/generate.ts'
import { KPIS } from '../dashboards/kpis.ts'
import { CONTACT_NUMBERS, CONTACT_TEXTS, type Signal, windowMsOf } from '../detectors/signals/definition.ts'
import { FOUR_SIGNALS, SIGNAL_LIBRARY } from '../detectors/signals/library.ts'
import { allowedText, alternativesOf, type JsonSchema } from '../lib/json-schema.ts'

const ROOT = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8')

/** Path and text of every generated file. */
export function generated(): Readonly<Record<string, string>> {
  return {
    'docs/configuration.md': configurationPage(configJsonSchema()),
    'docs/api.md': withRoutes(read('docs/api.md')),
    'docs/kpis.md': withKpis(read('docs/kpis.md')),
    'docs/signals.md': withLibrary(read('docs/signals.md')),
    'docs/openapi.json': `${JSON.stringify(openApiOf(declaredRoutes()), null, 2)}\n`,
    ...Object.fromEntries(Object.entries(boards()).map(([path, text]) => [`dashboards/${path}`, text])),
    'schemas/andon.schema.json': `${JSON.stringify({ title: 'andon.yaml', ...configJsonSchema() }, null, 2)}\n`,
  }
}

/** Why the keys of a section are as they are, beyond what each says itself. */
const NOTES: Readonly<Record<string, string>> = {
  names:
    'Built-in names: [telemetry](telemetry.md). Rules are data: try them with `andon replay FILES --config andon.yaml` on recorded traces.',
  signals:
    'The four are always counted. [Signals](signals.md) has the library and how to define your own; which of the keys below a definition takes depends on its evaluator.',
  triggers:
    'Written before a release is launched. A changed trigger starts new evidence, and its incidents carry a new hash. Without `triggers`, the four signals are compared with typical shares (failed updates 2 %, duplicate creations 1 %, repeat contacts 12 %, complaints 1.5 %) and people are told. `andon check` shows how many contacts each trigger needs. [The test behind a pause](statistics.md).',
  targets: 'What is sent and how to verify it: [webhooks](webhooks.md).',
}

function configurationPage(schema: JsonSchema): string {
  const sections = Object.entries(schema.properties ?? {}).map(([name, section]) => sectionOf(name, section))
  return `<!-- Generated from config-schema.ts by docs/generate.ts: change it there. -->

# Configuration

One YAML file, optional: \`andon.yaml\` in the working directory, or \`--config FILE\`. Every key is optional where it has a default.
[andon.example.yaml](../andon.example.yaml) is a commented one to start from; [schemas/andon.schema.json](../schemas/andon.schema.json) lets an
editor complete and check it. \`andon check andon.yaml\` reports every mistake at once, with line, path, what was found and what is allowed, then says
in plain words what the configuration does.

Secrets never stand in the file, only where they are kept: \`{ env: NAME }\` for an environment variable, \`{ file: PATH }\` for a file whose last
newline is ignored.

${sections.join('\n')}`
}

function sectionOf(name: string, section: JsonSchema): string {
  const keys = new Map<string, Key>()
  collect(keys, name, section)
  const rows = [...keys].map(([path, key]) => [
    `\`${path}\``,
    allowedText(key.schemas),
    defaultText(key),
    meaningText(key),
  ])
  const note = NOTES[name] ? `${NOTES[name]}\n\n` : ''
  return `## ${name}\n\n${section.description ?? ''}\n\n${note}${markdownTable(['key', 'allowed', 'default', 'meaning'], rows)}\n`
}

/** Everything that may stand at one path; several where alternatives share a key. */
type Key = { schemas: JsonSchema[]; isRequired: boolean }

/** Every key under `path`, depth first; entries of lists as `[]`, of open maps as `.*`. Maps that say nothing themselves are left out. */
function collect(keys: Map<string, Key>, path: string, schema: JsonSchema): void {
  for (const alternative of alternativesOf(schema)) {
    for (const [name, child] of Object.entries(alternative.properties ?? {}))
      visit(keys, `${path}.${name}`, child, alternative.required?.includes(name) ?? false)
    if (typeof alternative.additionalProperties === 'object')
      visit(keys, `${path}.*`, alternative.additionalProperties, false)
    if (alternative.items) visit(keys, `${path}[]`, alternative.items, false)
  }
}

function visit(keys: Map<string, Key>, path: string, schema: JsonSchema, isRequired: boolean): void {
  const alternatives = alternativesOf(schema)
  const holdsKeys = alternatives.every(({ type }) => type === 'object') && !isSecretRef(schema) && !schema.description
  const isPlainEntry = path.endsWith('[]') && alternatives.every((one) => one.type !== 'object' && !one.enum)
  if (!holdsKeys && !isPlainEntry) {
    const key = keys.get(path) ?? { schemas: [], isRequired: true }
    keys.set(path, { schemas: [...key.schemas, schema], isRequired: key.isRequired && isRequired })
  }
  if (!isSecretRef(schema)) collect(keys, path, schema)
}

function defaultText({ schemas, isRequired }: Key): string {
  const given = schemas.find((schema) => schema.default !== undefined)
  return given && JSON.stringify(given.default) !== '{}'
    ? `\`${JSON.stringify(given.default)}\``
    : isRequired
      ? 'required'
      : ''
}

/** The descriptions, without the default where its own column tells it. */
function meaningText(key: Key): string {
  const meanings = new Set(key.schemas.map((schema) => schema.description ?? ''))
  const text = [...meanings].filter((meaning) => meaning !== '').join(' ')
  return defaultText(key).startsWith('`') ? text.replace(/ ?\bDefault (?:[^.]|\.(?=\d))*\.?$/, '') : text
}

const isSecretRef = (schema: JsonSchema): boolean =>
  alternativesOf(schema).some(
    ({ properties }) => properties && 'env' in properties && Object.keys(properties).length === 1,
  )

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n')

const START = '<!-- library: generated by docs/generate.ts -->'
const END = '<!-- end of library -->'

function withLibrary(page: string): string {
  const rows = SIGNAL_LIBRARY.filter((signal) => !FOUR_SIGNALS.includes(signal)).map((signal) => [
    `\`${signal.name}\``,
    signal.title,
    trialText(signal),
    hitText(signal),
    windowText(signal),
  ])
  return page.replace(
    new RegExp(`${START}.*${END}`, 's'),
    () => `${START}\n${markdownTable(['name', 'title', 'trial: a contact', 'hit', 'window'], rows)}\n${END}`,
  )
}

type Condition = Readonly<{
  field: string
  above?: number
  is?: readonly string[] | undefined
  known?: true | undefined
}>
const conditionText = (condition: Condition): string => {
  const { field, above, is, known } = condition
  if (above !== undefined) return `${field} above ${above}`
  return known
    ? `${field} known`
    : is!.every((text) => text === '')
      ? `${field} not known`
      : `${field} is ${is!.join(' or ')}`
}
const predicateText = (conditions: readonly Condition[], none: string): string =>
  conditions.length === 0 ? none : conditions.map(conditionText).join(', ')

const trialText = (signal: Signal): string =>
  signal.evaluator === 'counters' ? signal.trials : predicateText(signal.trial, 'any')

function hitText(signal: Signal): string {
  switch (signal.evaluator) {
    case 'share':
      return predicateText(signal.hit, 'any')
    case 'recurrence':
      return signal.over === 'contacts' ? 'the customer comes back with the same intent' : 'a create repeats a record'
    case 'attributed':
      return `outcome ${signal.outcome}${signal.flag ? ` \`${signal.flag}\`` : ''}`
    case 'measure':
      return signal.above === undefined
        ? `${signal.value} beyond what was usual`
        : `${signal.value} above ${signal.above}`
    case 'counters':
      return signal.hits
  }
}

function windowText(signal: Signal): string {
  const windowMs = 'windowHours' in signal ? (windowMsOf(signal) ?? signal.windowHours * 3_600_000) : null
  return windowMs === null
    ? 'within the contact'
    : windowMs % 86_400_000 === 0 && windowMs > 3 * 86_400_000
      ? `${windowMs / 86_400_000} d`
      : `${windowMs / 3_600_000} h`
}

const KPIS_START = '<!-- kpis: generated by docs/generate.ts -->'
const KPIS_END = '<!-- end of kpis -->'

function withKpis(page: string): string {
  const rows = KPIS.map((kpi) => [
    `\`${kpi.name}\``,
    kpi.title,
    kpi.unit,
    kpi.denominator === '' ? `sum of: ${kpi.numerator}` : `${kpi.numerator} / ${kpi.denominator}`,
    kpi.countedAt,
    kpi.note,
  ])
  return page.replace(
    new RegExp(`${KPIS_START}.*${KPIS_END}`, 's'),
    () =>
      `${KPIS_START}\n${markdownTable(['kpi', 'title', 'unit', 'formula', 'period by', 'note'], rows)}\n${KPIS_END}`,
  )
}

const between = (page: string, name: string, text: string): string =>
  page.replace(
    new RegExp(`(<!-- ${name}: generated by docs/generate.ts -->).*(<!-- end of ${name} -->)`, 's'),
    (_, start: string, end: string) => `${start}\n${text}\n${end}`,
  )

function withRoutes(page: string): string {
  const routes = declaredRoutes().map((route) => [`\`${route.method} ${route.path}\``, route.role, route.summary])
  const problems = Object.entries(PROBLEMS).map(([code, [status, title]]) => [`\`${code}\``, String(status), title])
  return between(
    between(page, 'routes', markdownTable(['route', 'role', 'what it does'], routes)),
    'problems',
    markdownTable(['code', 'status', 'title'], problems),
  )
}

/** Fields that conditions may name, for the test of docs/signals.md. */
export const FIELDS: readonly string[] = [...Object.keys(CONTACT_NUMBERS), ...Object.keys(CONTACT_TEXTS)]

if (import.meta.main) for (const [path, text] of Object.entries(generated())) writeFileSync(new URL(path, ROOT), text)
