/**
 * A server takes at most 128 KiB in one value of a request (http_max_field_value_size); a character needs at most four bytes.
 */
const MOST_CHARACTERS = 30_000

type Params = Readonly<Record<string, unknown>>

/**
 * Gives lists of text that are too long for one parameter to several, and asks for all of them where the statement asked for the one:
 * `key IN {keys:Array(String)}` becomes `key IN arrayConcat({keys_0:Array(String)}, {keys_1:Array(String)})`, which the server folds
 * into one set before it looks at an index. No value becomes part of the statement.
 */
export function splitLongLists(query: string, params: Params): Readonly<{ query: string; params: Params }> {
  const split: Record<string, unknown> = {}
  let text = query
  for (const [name, value] of Object.entries(params)) {
    const parts = Array.isArray(value) && value.every((item) => typeof item === 'string') ? partsOf(value) : [value]
    if (parts.length < 2) {
      split[name] = value
      continue
    }
    for (const [index, part] of parts.entries()) split[`${name}_${index}`] = part
    const pieces = parts.map((_, index) => `{${name}_${index}:Array(String)}`).join(', ')
    text = text.replaceAll(`{${name}:Array(String)}`, `arrayConcat(${pieces})`)
  }
  return { query: text, params: split }
}

function partsOf(list: readonly string[]): string[][] {
  const parts: string[][] = [[]]
  let characters = 0
  for (const item of list) {
    characters += item.length + 3
    if (characters > MOST_CHARACTERS && parts.at(-1)!.length > 0) {
      parts.push([])
      characters = item.length + 3
    }
    parts.at(-1)!.push(item)
  }
  return parts
}
