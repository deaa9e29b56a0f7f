/** What happens next: a queue ordered by time, first put first served among equals. */
export type Agenda<T> = Readonly<{
  put: (atMs: number, item: T) => void
  /** Takes the earliest item, or undefined when nothing is left. */
  take: () => T | undefined
  nextAtMs: () => number | undefined
}>

type Entry<T> = Readonly<{ atMs: number; order: number; item: T }>

/** A binary heap; put and take cost O(log n). */
export function createAgenda<T>(): Agenda<T> {
  const heap: Entry<T>[] = []
  let order = 0
  const before = (a: Entry<T>, b: Entry<T>) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
  const swapIfBefore = (child: number, parent: number): boolean => {
    const [a, b] = [heap[child]!, heap[parent]!]
    if (!before(a, b)) return false
    heap[parent] = a
    heap[child] = b
    return true
  }
  return {
    nextAtMs: () => heap[0]?.atMs,
    put: (atMs, item) => {
      heap.push({ atMs, order: order++, item })
      for (let at = heap.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1
        if (!swapIfBefore(at, parent)) break
        at = parent
      }
    },
    take: () => {
      const first = heap[0]
      const last = heap.pop()
      if (first === undefined || last === undefined || heap.length === 0) return first?.item
      heap[0] = last
      for (let at = 0; ; ) {
        const left = 2 * at + 1
        if (left >= heap.length) break
        const child = left + 1 < heap.length && before(heap[left + 1]!, heap[left]!) ? left + 1 : left
        if (!swapIfBefore(child, at)) break
        at = child
      }
      return first.item
    },
  }
}
