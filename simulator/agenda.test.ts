import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAgenda } from './agenda.ts'

test('items come out by time, and in order of putting among equals, whatever happens in between', () => {
  const action = fc.oneof(fc.record({ put: fc.integer({ min: 0, max: 5 }) }), fc.constant({ take: true }))
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const agenda = createAgenda<{ atMs: number; number: number }>()
      let model: { atMs: number; number: number }[] = []
      actions.forEach((each, number) => {
        if ('put' in each) {
          agenda.put(each.put, { atMs: each.put, number })
          model = [...model, { atMs: each.put, number }].sort((a, b) => a.atMs - b.atMs || a.number - b.number)
        } else expect(agenda.take()).toEqual(model.shift())
        expect(agenda.nextAtMs()).toBe(model[0]?.atMs)
      })
      while (model.length > 0) expect(agenda.take()).toEqual(model.shift())
      expect(agenda.take()).toBeUndefined()
    }),
  )
})
