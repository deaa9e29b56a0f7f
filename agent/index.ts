export type { Action, ActionFields, ActionReport, ActionResult } from './action.ts'
export {
  type AgentFields,
  type Andon,
  type Contact,
  type ContactEnd,
  type ContactFields,
  createAndon,
} from './andon.ts'
export { attribute, metric, outcomeEvent } from './names.ts'
export { emitOutcome, type Outcome, OutcomeNotAccepted, type OutcomeTarget, postOutcome } from './outcome.ts'
export { type PauseAnswer, type PauseFields, type PausePart, type PauseWatch, watchPause } from './pause.ts'
