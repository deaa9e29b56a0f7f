import { FieldConfigProperty, PanelPlugin } from '@grafana/data'
import { TimelinePanel } from './components/TimelinePanel.tsx'
import { DEFAULTS, type Options } from './options.ts'

export const plugin = new PanelPlugin<Options>(TimelinePanel)
  .setNoPadding()
  .useFieldConfig({
    // Links are all that a field can bring along: what a value looks like is the panel's own.
    disableStandardOptions: Object.values(FieldConfigProperty).filter(
      (property) => property !== FieldConfigProperty.Links,
    ),
  })
  .setPanelOptions((builder) =>
    builder
      .addRadio({
        path: 'order',
        name: 'Order',
        description: 'Which releases stand first.',
        defaultValue: DEFAULTS.order,
        settings: {
          options: [
            {
              value: 'agent',
              label: 'By agent',
              description:
                'Releases of one agent under each other, the newest first; what somebody must act on stands on top',
            },
            { value: 'newest', label: 'Newest' },
            { value: 'urgent', label: 'Urgent', description: 'Releases that are being paused or are paused first' },
          ],
        },
      })
      .addRadio({
        path: 'density',
        name: 'Density',
        defaultValue: DEFAULTS.density,
        settings: {
          options: [
            { value: 'comfortable', label: 'Comfortable' },
            { value: 'compact', label: 'Compact', description: 'More lanes, without evidence' },
          ],
        },
      })
      .addBooleanSwitch({
        path: 'evidence',
        name: 'Evidence',
        description: 'Draws evidence of harm under each lane, up to the line at which the release is paused.',
        defaultValue: DEFAULTS.evidence,
        showIf: ({ density }) => density !== 'compact',
      })
      .addBooleanSwitch({ path: 'legend', name: 'Legend', defaultValue: DEFAULTS.legend })
      .addNumberInput({
        path: 'silentAfterMinutes',
        name: 'Silent after (minutes)',
        description:
          'A release without a contact for so long is taken to serve no more: its lane ends with its last contact.',
        defaultValue: DEFAULTS.silentAfterMinutes,
        settings: { min: 1, integer: true },
      }),
  )
