import { type DataFrameDTO, FieldType, toDataFrame } from '@grafana/data'
import { expect, test } from 'vitest'
import { notesOf } from './notes.ts'

const notes = (...frames: DataFrameDTO[]) => notesOf(frames.map((frame) => toDataFrame(frame)))
const time = (name: string, ...values: (number | null)[]) => ({ name, type: FieldType.time, values })
const text = (name: string, ...values: string[]) => ({ name, type: FieldType.string, values })

test('annotations are moments or stretches of time with their words, in order', () => {
  expect(
    notes(
      {
        fields: [
          time('time', 300, 100),
          time('timeEnd', 400, null),
          text('title', 'Deploy', ''),
          text('text', 'v2', 'call'),
        ],
      },
      { fields: [time('time', 200)] },
    ),
  ).toEqual([
    { key: '0 1', fromMs: 100, toMs: 100, text: 'call' },
    { key: '1 0', fromMs: 200, toMs: 200, text: 'Annotation' },
    { key: '0 0', fromMs: 300, toMs: 400, text: 'Deploy: v2' },
  ])
})

test('what has no time is no annotation, and words are text whatever they hold', () => {
  expect(notes({ fields: [time('time', null, 100), text('text', 'never', '<b>\u202etxet</b>')] })).toEqual([
    { key: '0 1', fromMs: 100, toMs: 100, text: '\\u202etxet' },
  ])
  expect(notes()).toEqual([])
})

test('the latest hundred are drawn', () => {
  const times = Array.from({ length: 150 }, (_, index) => index + 1)
  const drawn = notes({ fields: [time('time', ...times)] })
  expect([drawn.length, drawn[0]!.fromMs, drawn.at(-1)!.fromMs]).toEqual([100, 51, 150])
})
