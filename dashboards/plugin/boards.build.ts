/**
 * A generated board as the app bundles it. Grafana imports the boards of an app when it is enabled, and again only when the version of the
 * app and the revision of the board have changed: so the revision follows the version.
 */
export function bundledBoard(json: string, version: string): string {
  return `${JSON.stringify({ ...(JSON.parse(json) as Record<string, unknown>), revision: revisionOf(version) }, null, 2)}\n`
}

/** 1.2.3 becomes 1002003, so that a later version has a greater revision. */
export function revisionOf(version: string): number {
  const parts = /^(\d+)\.(\d+)\.(\d+)/.exec(version)
  if (parts === null) throw new Error(`“${version}” is no version of the form 1.2.3`)
  const [major, minor, patch] = parts.slice(1).map(Number) as [number, number, number]
  return major * 1_000_000 + minor * 1000 + patch
}
