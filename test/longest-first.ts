import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files of half a minute and more, longest first. One that began last would end long after all others. */
const LONG = [
  'test/live/roles.kafka',
  'dashboards/plugin',
  'test/live/page.chromium',
  'test/real/incidents',
  'test/live/counted.kafka',
  'app/cli',
  'test/live/bus.kafka',
  'dashboards/boards/queries',
  'test/live/collector.kafka',
]

/** Long files begin first, rooms of files that share a process last: most of those are short, so that all workers end at about the same time. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId, project }: TestSpecification): number => {
      if (!project.config.isolate) return LONG.length + 1
      const place = LONG.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`))
      return place < 0 ? LONG.length : place
    }
    return (await super.sort(files)).sort((a, b) => placeOf(a) - placeOf(b))
  }
}
