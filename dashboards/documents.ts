import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { Marked, type Tokens } from 'marked'
import { gfmHeadingId } from 'marked-gfm-heading-id'

/** One file as it is sent; the etag changes with the body. */
export type File = Readonly<{ type: string; body: Buffer; etag: string }>

export const fileOf = (type: string, body: Buffer): File => ({
  type,
  body,
  etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`,
})

const HTML = 'text/html; charset=utf-8'
const TYPES: Readonly<Record<string, string>> = { '.md': HTML, '.png': 'image/png', '.svg': 'image/svg+xml' }
/** Folders of the project whose documents are served; an address is the file's path in the project. */
const FOLDERS = ['docs', 'playbooks']
const INDEX = '/docs/'

/**
 * Andon's documents as people read them in a browser, runbooks above all: GET /docs/runbooks/release-paused.md is a page, with the anchors that
 * GitHub gives its headings (`#the-pause-is-not-accepted`), so that links of alerts hold in both. /docs/ lists them.
 *
 * @param root folder of the project
 * @returns the file at an address, or null where no document is. Files are listed once and read when they are first asked for.
 */
export function openDocuments(root: URL = new URL('../', import.meta.url)): (path: string) => File | null {
  const paths = new Set(FOLDERS.flatMap((folder) => filesBelow(root, folder)))
  const read = new Map<string, File>()
  const make = (path: string): File | null => {
    if (path === INDEX) return fileOf(HTML, Buffer.from(listed([...paths], (file) => titleOf(textOf(root, file)))))
    if (!paths.has(path)) return null
    const type = TYPES[posix.extname(path)]!
    if (type !== HTML) return fileOf(type, readFileSync(new URL(`.${path}`, root)))
    const text = textOf(root, path)
    return fileOf(HTML, Buffer.from(page(titleOf(text), rendered(text, path))))
  }
  return (path) => {
    const known = read.get(path)
    if (known) return known
    const file = make(path)
    if (file) read.set(path, file)
    return file
  }
}

/** Addresses of the files of a folder and those below it; none where the folder was left out of the installation. */
function filesBelow(root: URL, folder: string): string[] {
  try {
    return readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
      .filter((name) => posix.extname(name) in TYPES)
      .map((name) => `/${folder}/${name}`)
      .sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

const textOf = (root: URL, path: string): string => readFileSync(new URL(`.${path}`, root), 'utf8')
const titleOf = (text: string): string => (/^# (.+)$/m.exec(text)?.[1] ?? 'Andon').replaceAll('`', '')

/** Markdown as HTML. A link out of the documents, such as to source code, is left as its text. */
function rendered(text: string, path: string): string {
  const leadsOut = (href: string): boolean => {
    if (/^(https?:|#)/.test(href)) return false
    const target = posix.resolve(posix.dirname(path), href.split('#', 1)[0]!)
    return !(posix.extname(target) in TYPES && FOLDERS.some((folder) => target.startsWith(`/${folder}/`)))
  }
  const marked = new Marked(gfmHeadingId(), {
    renderer: {
      link({ href, tokens }: Tokens.Link): string | false {
        return leadsOut(href) ? this.parser.parseInline(tokens) : false
      },
    },
  })
  return marked.parse(text, { async: false })
}

function listed(paths: readonly string[], title: (path: string) => string): string {
  const texts = paths.filter((path) => path.endsWith('.md'))
  const groups = Map.groupBy(texts, (path) => posix.dirname(path))
  const isRunbooks = ([folder]: readonly [string, unknown]) => Number(folder.endsWith('/runbooks'))
  const lists = [...groups]
    .sort((a, b) => isRunbooks(b) - isRunbooks(a))
    .map(
      ([folder, files]) =>
        `<h2>${escaped(folder.slice(1))}</h2><ul>${files.map((path) => `<li><a href="${escaped(path)}">${escaped(title(path))}</a></li>`).join('')}</ul>`,
    )
  return page('Documents of Andon', `<h1>Documents of Andon</h1>${lists.join('')}`)
}

const escaped = (text: string): string => text.replace(/[&"<>]/g, (character) => `&#${character.charCodeAt(0)};`)

const page = (title: string, content: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${escaped(title)} · Andon</title>
    <link rel="icon" href="/icon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/page.css" />
    <link rel="stylesheet" href="/documents.css" />
  </head>
  <body>
    <header>
      <div class="bar">
        <p class="brand"><img src="/icon.svg" alt="" width="22" height="22" /> <a href="/">Andon</a></p>
        <p class="facts"><a href="${INDEX}">Documents</a></p>
      </div>
    </header>
    <main class="document">
${content}
    </main>
  </body>
</html>
`
