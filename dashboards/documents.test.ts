import { describe, expect, test } from 'vitest'
import { openDocuments } from './documents.ts'

const documents = openDocuments()
const bodyOf = (path: string): string => documents(path)!.body.toString('utf8')
/** Addresses of a page, made absolute, and its anchors. */
const linksOf = (path: string): string[] =>
  [...bodyOf(path).matchAll(/(?:href|src)="([^"]+)"/g)]
    .map(([, href]) => new URL(href!, `http://monitor${path}`))
    .filter(({ host }) => host === 'monitor')
    .map(({ pathname, hash }) => `${pathname}${hash}`)
const anchorsOf = (path: string): Set<string> =>
  new Set([...bodyOf(path).matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!))

describe('documents', () => {
  test('a runbook is a page with the anchors that alerts link', () => {
    const { type } = documents('/docs/runbooks/release-paused.md')!
    expect(type).toBe('text/html; charset=utf-8')
    expect(anchorsOf('/docs/runbooks/release-paused.md')).toContain('the-pause-is-not-accepted')
    expect(bodyOf('/docs/runbooks/release-paused.md')).toContain('<title>A release was paused · Andon</title>')
  })

  test('every document is listed, and every link of every page leads to a served page and an anchor in it', () => {
    const listed = linksOf('/docs/').filter((path) => path.endsWith('.md'))
    expect(listed).toEqual(
      expect.arrayContaining([
        '/docs/webhooks.md',
        '/docs/runbooks/monitor-down.md',
        '/playbooks/voice-collections/runbook.md',
      ]),
    )
    const frame = new Set(['/', '/docs/', '/page.css', '/documents.css', '/icon.svg'])
    const broken: string[] = []
    let followed = 0
    for (const path of listed)
      for (const link of linksOf(path)) {
        const [target, anchor] = link.split('#') as [string, string?]
        if (frame.has(target)) continue
        followed++
        const isThere = documents(target) !== null && (anchor === undefined || anchorsOf(target).has(anchor))
        if (!isThere) broken.push(`${path}: ${link}`)
      }
    expect(broken).toEqual([])
    expect(followed).toBeGreaterThan(100)
  })

  test('a link to what is not served is left as its text', () => {
    expect(bodyOf('/docs/grafana.md')).toContain('dashboards/grafana/')
    expect(bodyOf('/docs/grafana.md')).not.toContain('href="../dashboards/grafana/"')
  })

  test.each([
    '/docs/nowhere.md',
    '/docs/../package.json',
    '/docs/%2e%2e/package.json',
    '/package.json',
    '/docs',
    '/docs/generate.ts',
  ])('%s is no document', (path) => {
    expect(documents(path)).toBeNull()
  })

  test('an installation without documents serves none', () => {
    expect(openDocuments(new URL('file:///nowhere/'))('/docs/webhooks.md')).toBeNull()
  })
})
