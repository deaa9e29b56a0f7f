import { ClickHouseError } from '@clickhouse/client'

/**
 * Rows that the store cannot read would be refused with their whole batch however often they are sent, and the batch with everybody who shares
 * it. Whoever names facts bounds their texts and numbers, so there should be none; one that comes all the same must not stop the cord.
 */

export const WHY_BARE = 'the store cannot read these facts: nothing is kept of them but that they came'

/** Answers of ClickHouse to values that it cannot read: about the rows of an insert, not about the store. */
const UNREADABLE =
  /^(?:CANNOT_(?:PARSE|READ|CONVERT)_|(?:INCORRECT_DATA|UNEXPECTED_DATA_AFTER_PARSED_VALUE|VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE|ARGUMENT_OUT_OF_BOUND|DECIMAL_OVERFLOW|TYPE_MISMATCH|TOO_LARGE_STRING_SIZE|TOO_LARGE_ARRAY_SIZE|TOO_DEEP_RECURSION|UNKNOWN_ELEMENT_OF_ENUM)$)/

const isUnreadable = (error: unknown): boolean => error instanceof ClickHouseError && UNREADABLE.test(error.type ?? '')

/**
 * Inserts facts. Where the store cannot read them, halves are sent until the one is found, and in its place goes `bare` of it: its identity
 * without what it said. Where even that is refused the store is at fault, and this throws. The same facts always end the same way.
 * @param insert stores facts, the first of which has the place `from`; `part` tells the parts of one insert apart, for its token
 * @returns the facts as they are stored, and the places of those that are bare now
 */
export async function insertReadable<Fact>(
  facts: readonly Fact[],
  bare: (fact: Fact) => Fact,
  insert: (facts: readonly Fact[], from: number, part: string) => Promise<unknown>,
  from = 0,
  part = '',
): Promise<{ facts: readonly Fact[]; bared: readonly number[] }> {
  if (facts.length === 0) return { facts, bared: [] }
  try {
    await insert(facts, from, part)
    return { facts, bared: [] }
  } catch (error) {
    if (!isUnreadable(error)) throw error
  }
  if (facts.length === 1) {
    const left = facts.map(bare)
    await insert(left, from, `${part}.bare`)
    return { facts: left, bared: [from] }
  }
  const half = facts.length >> 1
  const first = await insertReadable(facts.slice(0, half), bare, insert, from, `${part}.0`)
  const second = await insertReadable(facts.slice(half), bare, insert, from + half, `${part}.1`)
  return { facts: [...first.facts, ...second.facts], bared: [...first.bared, ...second.bared] }
}
