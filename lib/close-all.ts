/** Something that must be closed, and what it is called where that fails. */
export type Closer = Readonly<{ what: string; close: () => unknown }>

/**
 * Closes everything, one after the other and what was opened last first, also where something before it could not be closed.
 * @throws AggregateError that names what could not
 */
export async function closeAll(closers: readonly Closer[]): Promise<void> {
  const errors: unknown[] = []
  const failed: string[] = []
  for (const { what, close } of closers.toReversed())
    try {
      await close()
    } catch (error) {
      errors.push(error)
      failed.push(`${what} (${(error as Error).message})`)
    }
  if (errors.length > 0) throw new AggregateError(errors, `could not be closed: ${failed.join(', ')}`)
}
