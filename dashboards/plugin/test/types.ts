import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const FOLDER = dirname(fileURLToPath(import.meta.url))

/** A value that must be of a type of Grafana's schema package, and what to call it in a complaint. */
export type Claim = Readonly<{ about: string; module: string; type: string; value: unknown }>

/**
 * What TypeScript says against claims: a key that the type lacks, a value that it does not allow. Every part may be absent, as Grafana has defaults;
 * enumerations are taken by their values, as they stand in JSON.
 */
export function complaintsAbout(claims: readonly Claim[]): string[] {
  const modules = [...new Set(claims.map(({ module }) => module))]
  const prelude = [
    ...modules.map((module, index) => `import type * as m${index} from '@grafana/schema${module}'`),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a type
    'type Plain<T> = T extends string ? `${T}` : T extends (infer E)[] ? Plain<E>[] : T extends object ? { [K in keyof T]?: Plain<T[K]> } : T',
  ]
  // A line for each claim: the line of a complaint names its claim.
  const lines = claims.map(
    ({ module, type, value }, index) =>
      `export const c${index}: Plain<m${modules.indexOf(module)}.${type}> = ${JSON.stringify(value)}`,
  )
  const path = join(FOLDER, 'claims.virtual.ts')
  const text = [...prelude, ...lines].join('\n')
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2022,
    types: [],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  host.fileExists = (name) => name === path || fileExists(name)
  host.getSourceFile = (name, ...rest) =>
    name === path ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022) : getSourceFile(name, ...rest)
  const program = ts.createProgram([path], options, host)
  const source = program.getSourceFile(path)!
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    ({ start = 0, messageText }) => {
      const { line } = source.getLineAndCharacterOfPosition(start)
      const about = claims[line - prelude.length]?.about ?? lines[line] ?? prelude[line]
      return `${about}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
    },
  )
}
