import * as grafanaData from '@grafana/data'

/** What Grafana fills into the name of a field. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own names
const [LABEL, NAME] = ['${__field.labels.series}', '${__field.name}']

const STANDARD = [
  'displayName',
  'unit',
  'min',
  'max',
  'decimals',
  'color',
  'thresholds',
  'mappings',
  'links',
  'noValue',
]

/** Options of fields that panels define, by their path: Grafana's panels register them, here they are named. */
const CUSTOM = [
  'lineWidth',
  'lineStyle',
  'fillOpacity',
  'fillBelowTo',
  'showPoints',
  'hideFrom',
  'cellOptions',
  'width',
  'minWidth',
  'wrapText',
  'wrapHeaderText',
  'filterable',
  'drawStyle',
  'lineInterpolation',
  'spanNulls',
  'stacking',
  'thresholdsStyle',
  'axisPlacement',
  'pointSize',
]

/** The registry of options that overrides of the boards name. */
export function fieldOptions(): grafanaData.FieldConfigOptionsRegistry {
  const property = (id: string, isCustom: boolean) => ({
    id: isCustom ? `custom.${id}` : id,
    path: id,
    name: id,
    isCustom,
    editor: () => null,
    override: () => null,
    process: (value: unknown, { field }: grafanaData.FieldOverrideContext) =>
      typeof value === 'string'
        ? value.replace(LABEL, field?.labels?.series ?? '').replace(NAME, field?.name ?? '')
        : value,
    shouldApply: () => true,
    settings: {},
  })
  return new grafanaData.FieldConfigOptionsRegistry(() => [
    ...STANDARD.map((id) => property(id, false)),
    ...CUSTOM.map((id) => property(id, true)),
  ]) as never
}
