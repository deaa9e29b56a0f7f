import { NOT_SCRAPED, type PanelSource, type SeriesLook, series } from './panels.ts'

/** Every series of the monitors that are selected. */
export const OF = '{instance=~"$instance"}'
export const and = (labels: string): string => `{instance=~"$instance", ${labels}}`

type Over = Omit<SeriesLook, 'source' | 'whenEmpty' | 'width' | 'height' | 'legend'> &
  Readonly<{ whenEmpty?: string; width?: number }>

/** A line or bar per series of Prometheus, over time. */
export const over = (look: Over): PanelSource =>
  series({ whenEmpty: NOT_SCRAPED, width: 12, ...look, source: 'prometheus', height: 8, legend: '', interval: '15s' })
