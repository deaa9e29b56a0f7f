import type { Step } from '../detectors/retrace.clickhouse.ts'
import { releaseLabelOf } from '../facts/slice.ts'
import type { Explained } from './explain.ts'
import { printable, table } from './table.ts'

/** Steps shown: where something happened, the last ones, and the rest spread evenly. */
const SHOWN = 24

/** Why an incident was opened, for a terminal. */
export function explanationText({ incidentId, state, finding, retraced, same }: Explained): string {
  const { trigger, baseline, steps, differences } = retraced
  const slice = [finding.channel, finding.queue].filter(Boolean).join(' / ')
  const share = trigger.weight < 1 ? ` (its ${percent(trigger.weight)} share of alpha)` : ''
  const alpha = trigger.alpha / 2 ** (finding.overrides ?? 0)
  return [
    `Incident ${incidentId.slice(0, 8)}, ${state}: ${printable(releaseLabelOf(finding.release))}, trigger ${finding.trigger}`,
    '',
    printable(capital(finding.reason)),
    '',
    `Baseline        ${printable(finding.baselineReason ?? baseline.reason)}`,
    `Healthy share   ${percent(baseline.rate)}${baseline.historyHits > 0 ? `, from ${baseline.historyHits.toLocaleString('en-US')} hits of ${baseline.historyTrials.toLocaleString('en-US')} trials` : ', as written'}${trigger.tolerance > 0 ? `; up to ${percent(baseline.rate * (1 + trigger.tolerance))} is tolerated` : ''}`,
    ...(baseline.profileReason ? [`Delay           ${baseline.profileReason}`] : []),
    ...baseline.warnings.map((warning) => `Mind            ${printable(warning)}`),
    `Strongest in    ${slice ? printable(slice) : 'all traffic of the release'}`,
    `Promise         a healthy release is paused with probability ${percent(alpha)} at most over its whole life: the line is log E = ${(-Math.log(alpha)).toFixed(2)}${share}`,
    '',
    table(
      ['time', 'batch', 'trials', 'hits', 'rate', 'owed if healthy', 'this trigger', 'release', 'what happened'],
      shownOf(steps).map((step) => rowOf(step, baseline.rate)),
    ),
    `(${steps.length.toLocaleString('en-US')} batches moved it; evidence is log E, in brackets as part of the line)`,
    '',
    `Began           ${onsetWords(finding)}`,
    `Since then      ${ratioWords(finding)}`,
    '',
    same
      ? `Replayed from the store: the same decision at batch ${finding.seq}, to the last bit.`
      : `REPLAYED DIFFERENTLY: ${differences.join('; ')}.`,
  ].join('\n')
}

function rowOf(step: Step, share: number): string[] {
  const rate = step.trials > 0 ? percent(step.hits / step.trials) : '–'
  return [
    when(step.atMs),
    `${step.seq}`,
    step.trials.toLocaleString('en-US'),
    step.hits.toLocaleString('en-US'),
    rate,
    (step.trials * share).toFixed(1),
    evidence(step.logE, step.line),
    evidence(step.jointLogE, step.jointLine),
    step.note,
  ]
}

const evidence = (logE: number, line: number): string => `${logE.toFixed(2)} (${Math.round((100 * logE) / line)} %)`

/** Rows where something happened, the last five, and others at equal distances, at most {@link SHOWN}. */
function shownOf(steps: readonly Step[]): Step[] {
  const every = Math.max(1, Math.ceil(steps.length / SHOWN))
  return steps.filter((step, i) => step.note !== '' || i >= steps.length - 5 || i % every === 0)
}

function onsetWords({ onsetMs, onsetLowMs, onsetHighMs }: Explained['finding']): string {
  if (onsetMs === null) return 'unknown'
  return onsetLowMs === onsetHighMs
    ? `with the first contacts of this evidence, ${when(onsetMs)}`
    : `about ${when(onsetMs)}, between ${when(onsetLowMs)} and ${when(onsetHighMs)} (90 %): start of the first contacts treated badly`
}

function ratioWords({ ratio, ratioLow, ratioHigh }: Explained['finding']): string {
  if (ratio === undefined || ratio === null) return 'the rate is not known'
  const range =
    ratioLow == null ? '' : `, between ${ratioLow.toFixed(2)} and ${ratioHigh?.toFixed(2) ?? 'any'} times (90 %)`
  return `about ${ratio} times the healthy rate${range}; leans high by about a tenth, because the pause chose the moment`
}

const percent = (part: number): string => `${Number((part * 100).toPrecision(3))} %`
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
const when = (ms: number | null): string =>
  ms === null ? '?' : `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')}Z`
