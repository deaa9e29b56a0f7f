import { type Letter, STEPS, type Step } from './letters.ts'

/** What a lane has of one batch. */
export type Work = Readonly<{
  seq: number
  attempt: number
  /** By step and sender. */
  letters: ReadonlyMap<Step, ReadonlyMap<number, Letter>>
  done: ReadonlySet<Step>
}>

type OpenWork = Omit<Work, 'letters' | 'done'> & { letters: Map<Step, Map<number, Letter>>; done: Set<Step> }

export type Desk = Readonly<{
  /** Takes a letter; one that came before, belongs to an earlier attempt or to a batch that is whole changes nothing. */
  put: (letter: Letter) => void
  /**
   * The oldest step that can be done: all its letters are there, the step before it is done, and the same step of the batch before. So each lane does
   * each step in the order of the batches, and a later step of one batch may come before an earlier one of the next.
   */
  next: () => Readonly<{ work: Work; step: Step }> | null
  finish: (work: Work, step: Step) => void
  /** Batches up to this one are whole. */
  forget: (upTo: number) => void
}>

/** Which step of which batch a lane does next. Pure. `wholeSeq`: the last batch that is whole. */
export function createDesk(lane: number, wholeSeq: number): Desk {
  const works = new Map<number, OpenWork>()
  let whole = wholeSeq
  const isDone = (seq: number, step: Step) => seq <= whole || works.get(seq)?.done.has(step) === true
  const isReady = (work: Work, step: Step): boolean => {
    const letters = work.letters.get(step)
    const before = STEPS[STEPS.indexOf(step) - 1]
    if (!letters || work.done.has(step) || (before && !work.done.has(before)) || !isDone(work.seq - 1, step))
      return false
    const [some] = letters.values()
    return some !== undefined && letters.size === (step === 'traces' ? 1 : some.share.lanes)
  }
  return {
    put: (letter) => {
      const { seq } = letter.share.stamp
      if (letter.share.lane !== lane || seq <= whole) return
      let work = works.get(seq)
      if (work && letter.attempt < work.attempt) return
      if (!work || letter.attempt > work.attempt) {
        work = { seq, attempt: letter.attempt, letters: new Map(), done: new Set() }
        works.set(seq, work)
      }
      if (work.done.has(letter.step)) return
      const ofStep = work.letters.get(letter.step) ?? new Map<number, Letter>()
      if (!ofStep.has(letter.from)) ofStep.set(letter.from, letter)
      work.letters.set(letter.step, ofStep)
    },
    next: () => {
      for (const seq of [...works.keys()].sort((a, b) => a - b)) {
        const work = works.get(seq)!
        const step = STEPS.find((one) => isReady(work, one))
        if (step) return { work, step }
      }
      return null
    },
    finish: (work, step) => {
      const open = works.get(work.seq)
      if (open !== work) return // a new attempt came meanwhile
      open.done.add(step)
      open.letters.delete(step)
    },
    forget: (upTo) => {
      whole = Math.max(whole, upTo)
      for (const seq of works.keys()) if (seq <= whole) works.delete(seq)
    },
  }
}
