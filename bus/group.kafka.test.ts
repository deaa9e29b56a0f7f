import kafkajs, { type Admin } from 'kafkajs'
import { expect, test } from 'vitest'
import { leaderOf } from './group.kafka.ts'

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

/** A group as brokers describe it: one member that stands by and one that is given the partition. */
const groupOf = (userData: string): Pick<Admin, 'describeGroups'> => {
  const member = (said: string, partitions: number[]) => ({
    memberId: said,
    clientId: 'andon',
    clientHost: '/127.0.0.1',
    memberMetadata: MemberMetadata.encode({ version: 0, topics: ['findings'], userData: Buffer.from(said) }),
    memberAssignment: MemberAssignment.encode({
      version: 0,
      assignment: { findings: partitions },
      userData: Buffer.alloc(0),
    }),
  })
  const members = [member('{"sinceMs":0,"name":"stands by"}', []), member(userData, [0])]
  const group = { groupId: 'g', protocol: '', protocolType: 'consumer', state: 'Stable' as const, members }
  return { describeGroups: async () => ({ groups: [group] }) }
}

test.each([
  ['{"sinceMs":5,"name":"one"}', 'one'],
  ['1764316800000', null], // of a version whose members say only since when they lead
  ['null', null],
  ['no JSON', null],
])('a member that says %s of itself and leads is a leader, with the name %s', async (userData, name) => {
  expect(await leaderOf(groupOf(userData), 'g')).toEqual({ name })
})
