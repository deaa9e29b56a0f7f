import { and, OF, over } from './monitor-series.ts'
import type { PanelSource } from './panels.ts'
import { prometheus } from './query.ts'

/** Records that the pipeline has not read; a group is called by `kafka.groupPrefix` and its role. */
export const RECORDS_OF_PIPELINE = `andon_bus_lag_records${and('group=~".+-pipeline"')}`

const NOT_OVER_KAFKA =
  'No sample: this monitor is one process without Kafka (then this row says nothing), or its roles are not scraped.'

const overKafka = (look: Parameters<typeof over>[0]): PanelSource => over({ whenEmpty: NOT_OVER_KAFKA, ...look })

export const activeRoles = (): PanelSource =>
  overKafka({
    title: 'Active processes by group',
    description:
      'How many processes say that they are the active one of their group. 1 is right; 0: nobody does that work; 2: one was replaced and does not know.',
    unit: 'short',
    min: 0,
    queries: [prometheus(`sum by (group) (andon_role_active${OF})`, '{{group}}')],
  })

export const records = (): PanelSource =>
  overKafka({
    title: 'Records that wait',
    description:
      'Records that the active process of a group has not read yet, by group and topic. A finding waits for a moment at most.',
    unit: 'short',
    min: 0,
    queries: [prometheus(`sum by (group, topic) (andon_bus_lag_records${OF})`, '{{group}} {{topic}}')],
  })

export const lanes = (): PanelSource =>
  overKafka({
    title: 'Lanes counted',
    width: 8,
    description:
      'Lanes that each process counts; together they are kafka.lanes. Empty where the active pipeline counts alone.',
    unit: 'short',
    min: 0,
    draw: 'bars',
    stacked: true,
    queries: [prometheus(`sum by (instance) (andon_lanes_led${OF}) > 0`, '{{instance}}')],
  })

export const roleFailures = (): PanelSource =>
  overKafka({
    title: 'Failures of roles',
    description:
      'How often the active process of a group failed and began anew, per range interval. Now and then is harmless; every few seconds means that its work is not done.',
    unit: 'short',
    width: 8,
    min: 0,
    draw: 'bars',
    stacked: true,
    whenEmpty: 'No failure, or no sample: this monitor is one process without Kafka, or its roles are not scraped.',
    queries: [prometheus(`sum by (group) (increase(andon_role_failures_total${OF}[$__rate_interval]))`, '{{group}}')],
  })

export const notCounted = (): PanelSource =>
  overKafka({
    title: 'Records lost or put aside',
    width: 8,
    description:
      'Records per range interval that are counted nowhere: dropped by their topics before they were read, or put aside because they cannot be read.',
    unit: 'short',
    min: 0,
    draw: 'bars',
    stacked: true,
    queries: [
      prometheus(`sum(increase(andon_bus_lost_records_total${OF}[$__rate_interval]))`, 'lost'),
      prometheus(
        `sum by (topic) (increase(andon_dead_letters_total${OF}[$__rate_interval]))`,
        'dead letters of {{topic}}',
      ),
    ],
  })
