const FIRST_NAMES = 'Ada Amir Ana Aylin Ben Chen Clara Dana Diego Elif Emma Finn Grace Hana Igor Ines Ivan Jana Jonas Kofi Lars Lea Lina Luis Maja Malik Mara Mila Nils Nora Omar Petra Rosa Sara Sven Tara Tom Vera Yusuf Zoe'.split(' ') // biome-ignore format: names
const LAST_NAMES = 'Adeyemi Ahmed Bauer Becker Berg Costa Demir Dubois Eriksen Fischer Garcia Haas Haddad Ito Jansen Kaya Keller Kim Klein Kowalski Lang Lopez Meyer Moreau Nguyen Novak Okafor Olsen Park Peters Rossi Schmidt Silva Singh Tanaka Vogel Wagner Weber Wolf Yilmaz'.split(' ') // biome-ignore format: names

/** Somebody who does not exist: country code 999 is not assigned, example.com takes no mail. */
export type Customer = Readonly<{ name: string; phone: string; email: string }>

/** Customers per line of work: enough that most contacts within a fortnight come from people with no other case. */
export const POOL_SIZE = 40_000

/** Customer number `index` (0 … POOL_SIZE - 1) of a line; the lines share no customers. */
export function customerOf(lineNumber: number, index: number): Customer {
  const first = FIRST_NAMES[index % FIRST_NAMES.length]!
  const last = LAST_NAMES[Math.floor(index / FIRST_NAMES.length) % LAST_NAMES.length]!
  const digits = String(index).padStart(5, '0')
  return {
    name: `${first} ${last}`,
    phone: `+999 55${lineNumber} ${digits}`,
    email: `${first}.${last}.${lineNumber}${digits}@example.com`.toLowerCase(),
  }
}
