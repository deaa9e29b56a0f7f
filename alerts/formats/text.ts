/** The text, cut to at most `max` UTF-16 units with an ellipsis; no character is torn. */
export function clip(text: string, max: number): string {
  if (text.length <= max) return text
  let end = max - 1
  if (isHighSurrogate(text.charCodeAt(end - 1))) end -= 1
  return `${text.slice(0, end)}…`
}

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff

/** An http(s) address, or undefined: what a button or a link may hold. */
export function addressIn(text: string | undefined, max: number): string | undefined {
  return text && text.length <= max && /^https?:\/\//.test(text) && URL.canParse(text) ? text : undefined
}
