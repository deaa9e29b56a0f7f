/** Two plain SVG charts, readable on light and dark ground: curves over a log axis, and horizontal bars. */

const COLOURS = ['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#8a6d00', '#6b6b6b']
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const page = (width: number, height: number, title: string, body: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="16" y="22" font-size="14" font-weight="bold">${escaped(title)}</text>
${body}
</svg>
`

export type Curve = Readonly<{ name: string; stops: readonly number[] }>

/** Share of lives paused against trials since the fault (log axis); `floor` is drawn as a dashed line. */
export function pausedCurves(title: string, curves: readonly Curve[], floor: number, most: number): string {
  const [left, top, width, height] = [60, 44, 620, 260]
  const least = floor / 8
  const x = (n: number) => left + (width * Math.log(Math.max(n, least) / least)) / Math.log(most / least)
  const y = (share: number) => top + height * (1 - share)
  const lines = curves.map(({ name, stops }, i) => {
    const sorted = stops.filter((n) => n <= most).sort((a, b) => a - b)
    const points = sorted.map((n, k) => `${x(n).toFixed(1)},${y((k + 1) / stops.length).toFixed(1)}`)
    const legendY = top + height + 52 + 17 * i
    return `<polyline fill="none" stroke="${COLOURS[i % COLOURS.length]}" stroke-width="2" points="${left},${y(0)} ${points.join(' ')}"/>
<rect x="${left}" y="${legendY - 9}" width="14" height="9" fill="${COLOURS[i % COLOURS.length]}"/><text x="${left + 20}" y="${legendY}">${escaped(name)}</text>`
  })
  const ticks = [100, 300, 1000, 3000, 10_000, 30_000, 100_000].filter((n) => n > least && n <= most)
  const axis = [
    ...ticks.map(
      (n) => `<text x="${x(n)}" y="${top + height + 16}" text-anchor="middle">${n.toLocaleString('en')}</text>`,
    ),
    ...[0, 0.5, 1].map(
      (s) =>
        `<line x1="${left}" x2="${left + width}" y1="${y(s)}" y2="${y(s)}" stroke="#ddd"/><text x="${left - 8}" y="${y(s) + 4}" text-anchor="end">${s * 100} %</text>`,
    ),
    `<line x1="${x(floor)}" x2="${x(floor)}" y1="${top}" y2="${top + height}" stroke="#000" stroke-dasharray="4 4"/><text x="${x(floor) + 5}" y="${top + 12}">floor</text>`,
    `<text x="${left + width / 2}" y="${top + height + 33}" text-anchor="middle">contacts since the fault</text>`,
  ]
  return page(720, top + height + 62 + 17 * curves.length, title, [...axis, ...lines].join('\n'))
}

export type Bar = Readonly<{ name: string; value: number; label: string }>

/** Horizontal bars from 0 to the greatest value; the first one is highlighted. */
export function bars(title: string, rows: readonly Bar[]): string {
  const most = Math.max(...rows.map((row) => row.value), 1e-9)
  const body = rows.map(({ name, value, label }, i) => {
    const y = 44 + 26 * i
    const width = Math.max(1, (300 * value) / most)
    return `<text x="330" y="${y + 13}" text-anchor="end">${escaped(name)}</text>
<rect x="340" y="${y}" width="${width.toFixed(1)}" height="18" fill="${i === 0 ? COLOURS[0] : COLOURS[1]}"/><text x="${346 + width}" y="${y + 13}">${escaped(label)}</text>`
  })
  return page(720, 60 + 26 * rows.length, title, body.join('\n'))
}
