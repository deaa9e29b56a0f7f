import { expect, test } from 'vitest'
import { isDenied, refusalOf } from './address.ts'

test.each([
  '93.184.216.34',
  '8.8.8.8',
  '172.32.0.1',
  '100.128.0.1',
  '2606:2800:220:1::1',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
])('%s is public and open', (address) => {
  expect(isDenied(address, false)).toBe(false)
  expect(isDenied(address, true)).toBe(false)
})

test.each([
  ['loopback', '127.0.0.1'],
  ['loopback, not the first', '127.255.0.9'],
  ['private', '10.1.2.3'],
  ['private', '172.16.0.1'],
  ['private', '172.31.255.255'],
  ['private', '192.168.1.1'],
  ['carrier-grade NAT', '100.64.0.1'],
  ['IPv6 loopback', '::1'],
  ['IPv6 unique local', 'fd12:3456::1'],
  ['loopback mapped into IPv6', '::ffff:127.0.0.1'],
  ['loopback mapped into IPv6, hexadecimal', '::ffff:7f00:1'],
  ['private, IPv4-compatible', '::10.0.0.1'],
  ['private through NAT64', '64:ff9b::192.168.0.1'],
])('%s %s opens only with allowPrivate', (_, address) => {
  expect(isDenied(address, false)).toBe(true)
  expect(isDenied(address, true)).toBe(false)
})

test.each([
  ['cloud metadata', '169.254.169.254'],
  ['cloud metadata mapped into IPv6', '::ffff:a9fe:a9fe'],
  ['this network', '0.0.0.0'],
  ['IPv6 unspecified', '::'],
  ['IPv6 link-local', 'fe80::1'],
  ['IPv6 link-local with a zone', 'fe80::1%eth0'],
  ['multicast', '224.0.0.1'],
  ['broadcast', '255.255.255.255'],
  ['6to4', '2002:7f00:1::'],
  ['Teredo', '2001:0:1::'],
  ['this network through NAT64', '64:ff9b::1'],
  ['a host name', 'localhost'],
  ['nothing', ''],
])('%s (%s) never opens', (_, address) => {
  expect(isDenied(address, true)).toBe(true)
})

test.each([
  ['http://127.0.0.1:9/', false, /127\.0\.0\.1 is a private address: say allowPrivate: true/],
  ['http://localhost:9/', false, /localhost is a private address: say allowPrivate: true/],
  ['https://[::1]/', false, /::1 is a private address/],
  ['http://169.254.169.254/', true, /never sent/],
  ['http://10.0.0.7/', true, null],
  ['https://platform.example/', false, null],
])('%s with allowPrivate %s is refused before anything is sent: %s', (url, allowPrivate, refusal) => {
  if (refusal === null) expect(refusalOf(url, allowPrivate)).toBe(null)
  else expect(refusalOf(url, allowPrivate)).toMatch(refusal)
})
