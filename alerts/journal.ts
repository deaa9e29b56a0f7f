import type { IncidentEvent } from '../facts/incident.ts'

/**
 * The append-only journal of incidents: what is not here did not happen.
 * append resolves once the line is durable; a line may be appended again after an error (same version, same content).
 * load gives every line, per incident in order of version, each version once: the first wins.
 */
export type Journal = Readonly<{
  append: (line: IncidentEvent) => Promise<void>
  load: () => Promise<IncidentEvent[]>
}>

/** A journal that ends with the process: for tests, and for a replay whose store is thrown away. */
export function memoryJournal(lines: IncidentEvent[] = []): Journal {
  return {
    append: async (line) => {
      lines.push(structuredClone(line))
    },
    load: async () => firstOfEachVersion(lines),
  }
}

/** Lines in order of incident and version, only the first of each version. */
export function firstOfEachVersion(lines: readonly IncidentEvent[]): IncidentEvent[] {
  const first = new Map<string, IncidentEvent>()
  for (const line of lines) {
    const key = `${line.incidentId} ${line.version}`
    if (!first.has(key)) first.set(key, line)
  }
  return [...first.values()].sort((a, b) =>
    a.incidentId === b.incidentId ? a.version - b.version : a.incidentId < b.incidentId ? -1 : 1,
  )
}
