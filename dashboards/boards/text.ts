/** Text without the indent that all its lines share, and without blank lines around it: people read it in Grafana's editor. */
export function dedented(text: string): string {
  const lines = text
    .replace(/^\s*\n/, '')
    .replace(/\s+$/, '')
    .split('\n')
  const indents = lines.filter((line) => line.trim() !== '').map((line) => line.length - line.trimStart().length)
  const least = Math.min(...indents)
  return lines.map((line) => line.slice(least)).join('\n')
}

/** A template whose values keep their own lines, indented like the line that they stand in; the whole is dedented. */
export function sql(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  let text = strings[0]!
  values.forEach((value, index) => {
    const indent = /(?:^|\n)([ \t]*)[^\n]*$/.exec(text)?.[1] ?? ''
    text += String(value).replaceAll('\n', `\n${indent}`) + strings[index + 1]!
  })
  return dedented(text)
}
