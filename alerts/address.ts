import { BlockList, isIP } from 'node:net'

/**
 * Which addresses a webhook may go to. Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and
 * updates). `own` ranges open with `allowPrivate: true`; `never` ranges stay shut: cloud metadata lives on link-local
 * addresses, and nothing that accepts webhooks lives on the rest.
 */
const OWN: readonly string[] = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
]

const NEVER: readonly string[] = [
  '0.0.0.0/8', // this network
  '169.254.0.0/16', // link-local
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relay, deprecated
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '::/128', // unspecified
  '64:ff9b::/112', // NAT64 of 0.0.0.0/16
  '64:ff9b:1::/48', // local translation
  '100::/64', // discard
  '2001::/32', // Teredo: carries a foreign IPv4 address
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: carries a foreign IPv4 address
  '3fff::/20', // documentation
  '5f00::/16', // segment routing
  'fe80::/10', // link-local
  'fec0::/10', // site-local, deprecated
  'ff00::/8', // multicast
]

const blockListOf = (ranges: readonly string[]): BlockList => {
  const list = new BlockList()
  for (const range of ranges) {
    const [network = '', prefix] = range.split('/')
    list.addSubnet(network, Number(prefix), network.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}
const own = blockListOf(OWN)
const never = blockListOf(NEVER)

/** Whether a webhook must not be sent to this literal address (IPv4 or IPv6, without brackets). What is no address is denied. */
export function isDenied(address: string, allowPrivate: boolean): boolean {
  const bare = address.replace(/%.*$/, '') // a zone index does not change the range
  const version = isIP(bare)
  if (version === 0) return true
  const family = version === 4 ? 'ipv4' : 'ipv6'
  const embedded = version === 6 ? embeddedIpv4Of(bare) : null
  if (embedded !== null) return isDenied(embedded, allowPrivate)
  return never.check(bare, family) || (!allowPrivate && own.check(bare, family))
}

/** Why nothing will ever be sent to this URL, as far as its host alone tells (a name may still lead to a denied address); null when nothing speaks against it. */
export function refusalOf(url: string, allowPrivate: boolean): string | null {
  if (!URL.canParse(url)) return null // said elsewhere
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  const address = host === 'localhost' ? '127.0.0.1' : host
  if (isIP(address) === 0 || !isDenied(address, allowPrivate)) return null
  if (isDenied(address, true)) return `${host} is an address to which webhooks are never sent`
  return `${host} is a private address: say allowPrivate: true if the receiver is meant to be inside your own network`
}

/** The IPv4 address inside an IPv4-mapped (::ffff:0:0/96), IPv4-compatible (::/96) or NAT64 (64:ff9b::/96) address, or null. */
function embeddedIpv4Of(ipv6: string): string | null {
  const canonical = new URL(`http://[${ipv6}]/`).hostname.slice(1, -1) // compressed, hexadecimal
  const match = /^(?:::ffff:|64:ff9b::|::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical)
  if (!match) return null
  const [high, low] = [Number.parseInt(match[1] ?? '', 16), Number.parseInt(match[2] ?? '', 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
