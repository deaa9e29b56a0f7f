import type { LinkModel } from '@grafana/data'
import { IconButton, useStyles2, useTheme2 } from '@grafana/ui'
import React from 'react'
import { clockOf, figuresOf, withDatesOnce } from '../clock.ts'
import { counted, duration, percent } from '../duration.ts'
import type { Lane } from '../lanes.ts'
import { type Incident, namesOf } from '../model.ts'
import { isOrdered, isOver } from '../phases.ts'
import { evidenceAt } from '../spark.ts'
import { STANDING_WORDS } from '../words.ts'
import { Glyph } from './Glyph.tsx'
import { paletteOf } from './palette.ts'
import { StandingSwatch } from './Swatch.tsx'
import { cardStylesOf } from './styles.ts'

type Props = Readonly<{
  lane: Lane
  incident: Incident | null
  /** The moment under the cursor. */
  atMs: number
  patterns: string
  format: (ms: number) => string
  links: readonly LinkModel[]
  /** Set when the card stays: it can be closed, and its links followed. */
  onClose: (() => void) | null
}>

/** What is known of a release and of one of its incidents, with the clock. */
export function Card({ lane, incident, atMs, patterns, format, links, onClose }: Props) {
  const styles = useStyles2(cardStylesOf)
  const { agent, release, environment } = namesOf(lane)
  return (
    <div className={styles.card}>
      <div className={styles.top}>
        <div className={styles.title}>
          <bdi className={styles.quiet}>{agent}</bdi> <bdi>{release}</bdi>
          <div className={styles.standing}>
            <StandingSwatch standing={lane.standing} patterns={patterns} />
            {STANDING_WORDS[lane.standing]} · <bdi>{environment}</bdi>
          </div>
          {onClose === null && <time className={styles.moment}>{format(atMs)}</time>}
        </div>
        {onClose && <IconButton name="times" size="lg" aria-label="Close" onClick={onClose} autoFocus />}
      </div>
      {incident && <IncidentPart incident={incident} format={format} />}
      <p className={styles.facts}>{factsOf(lane, incident, atMs, format)}</p>
      {onClose ? (
        <Links links={links} />
      ) : (
        links.length > 0 && <p className={styles.facts}>Click for {counted(links.length, 'link')}.</p>
      )}
    </div>
  )
}

function IncidentPart({ incident, format }: { incident: Incident; format: (ms: number) => string }) {
  const styles = useStyles2(cardStylesOf)
  const palette = paletteOf(useTheme2())
  const hollow = !isOrdered(incident)
  const lines = clockOf(incident)
  const times = withDatesOnce(lines.map(({ atMs }) => (atMs === null ? null : format(atMs))))
  return (
    <>
      {(incident.reason || incident.signals) && <p className={styles.reason}>{incident.reason || incident.signals}</p>}
      <table className={styles.clock}>
        <tbody>
          {lines.map(({ moment, word, atMs, sinceMs, rangeMs }, index) => (
            <tr key={moment} className={atMs === null ? styles.quiet : undefined}>
              <td>
                <svg width={14} height={14} viewBox="-8 -8 16 16" aria-hidden opacity={atMs === null ? 0.5 : 1}>
                  <Glyph moment={moment} palette={palette} hollow={hollow || atMs === null} />
                </svg>
              </td>
              <td>{word}</td>
              <td>
                {times[index] ?? 'not yet'}
                {rangeMs && (
                  <div className={styles.quiet}>
                    {timeOnly(format(rangeMs[0]))} – {timeOnly(format(rangeMs[1]))}
                  </div>
                )}
              </td>
              <td>{sinceMs === null ? '' : `+${duration(sinceMs)}`}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <dl className={styles.figures}>
        {figuresOf(incident).map(({ word, ms }) => (
          <div key={word}>
            <dt>{word}</dt>
            <dd>{ms === null ? withoutLength(word, incident) : duration(ms)}</dd>
          </div>
        ))}
      </dl>
    </>
  )
}

/** Why a length is not there: an onset may never be known, a pause may never be ordered, and what is ordered may still come. */
function withoutLength(word: string, incident: Incident): string {
  if (word === 'Time to detect') return 'unknown'
  if (!isOrdered(incident)) return 'no pause'
  return isOver(incident) ? 'never' : 'not yet'
}

/** Links of the data; those of another site open beside this one, as people set them. */
function Links({ links }: { links: readonly LinkModel[] }) {
  const styles = useStyles2(cardStylesOf)
  if (links.length === 0) return null
  return (
    <div className={styles.links}>
      {links.map(({ href, title, target, onClick }) => (
        <a
          key={`${title}${href}`}
          href={href}
          target={target}
          rel={target === '_blank' ? 'noreferrer' : undefined}
          onClick={onClick}
        >
          {title}
        </a>
      ))}
    </div>
  )
}

function factsOf(lane: Lane, incident: Incident | null, atMs: number, format: (ms: number) => string): string {
  const evidence = lane.evidence ? evidenceAt(lane.evidence, atMs) : null
  const { contacts, firstMs, lastMs } = lane.launch
  return [
    incident?.contactsExposed != null ? `${counted(incident.contactsExposed, 'contact')} exposed` : '',
    incident && isOrdered(incident) && incident.at.accepted !== null ? afterPause(incident) : '',
    evidence === null ? '' : `evidence at ${timeOnly(format(atMs))}: ${percent(evidence)} of the pause line`,
    incident ? '' : `first contact ${format(firstMs)}, last ${format(lastMs)}`,
    incident || contacts === null ? '' : counted(contacts, 'contact'),
  ]
    .filter((text) => text !== '')
    .join(' · ')
    .replace(/^./, (letter) => letter.toUpperCase())
}

const afterPause = (incident: Incident): string =>
  incident.contactsAfterPause !== null
    ? `${counted(incident.contactsAfterPause, 'contact')} after the pause`
    : `contacts after the pause: not known${isOver(incident) ? '' : ' yet'}`

const timeOnly = (text: string): string => text.slice(text.indexOf(' ') + 1)
