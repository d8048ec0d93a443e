/**
 * A set of networks, made once and asked for every connection. The networks are cut into disjoint ranges that know
 * their narrowest network; a look-up is one binary search over typed arrays, whatever the size of the set. Half a million
 * networks take about 12 MB and a quarter of a second to build.
 */
import { parseIp, parseNetwork, type Ip, type Network } from './ip.ts';

export interface NetworkSet {
  /** Different networks in the set. */
  readonly size: number;
  has(address: string): boolean;
  /** Index, in the list that the set was built from, of the narrowest network around the address. */
  find(address: string): number | undefined;
  /** Indices of all networks around the address, narrowest first, equal ones in their order. */
  findAll(address: string): readonly number[];
}

/** Throws with the operator's message on the first text that is no network. Of equal networks the first counts. */
export function networkSet(texts: readonly string[]): NetworkSet {
  const networks = new NetworkCollector();
  for (const [i, text] of texts.entries()) {
    const network = parseNetwork(text);
    if (network.kind === 'bad') throw new Error(network.problem);
    networks.add(network, i);
  }
  const work = networks.collected();
  let step = work.next();
  while (step.done !== true) step = work.next();
  return step.value;
}

/** For who has the networks one at a time: what is kept of each is its words. */
export class NetworkCollector {
  readonly #v4: Collected = { wordsEach: 1, words: [], prefixes: [], indices: [] };
  readonly #v6: Collected = { wordsEach: 4, words: [], prefixes: [], indices: [] };

  /** In the order of their indices. */
  add({ base, prefix }: Network, index: number): void {
    const family = base.family === 4 ? this.#v4 : this.#v6;
    for (const word of base.words) family.words.push(word);
    family.prefixes.push(prefix);
    family.indices.push(index);
  }

  /** The set, in slices of a few milliseconds. */
  *collected(): Generator<undefined, NetworkSet, undefined> {
    const v4 = yield* rangesOf(this.#v4);
    const v6 = yield* rangesOf(this.#v6);
    const size = v4.networks + v6.networks;
    const narrowest = (address: string): { ranges: Ranges; owner: number } | undefined => {
      if (size === 0) return undefined; // spares most sets the parsing
      const ip = parseIp(address);
      if (ip === undefined) return undefined;
      const ranges = ip.family === 4 ? v4 : v6;
      const owner = ownerOf(ranges, ip);
      return owner === NOBODY ? undefined : { ranges, owner };
    };
    return {
      size,
      has: (address) => narrowest(address) !== undefined,
      find: (address) => {
        const found = narrowest(address);
        return found?.ranges.indices[found.owner];
      },
      findAll: (address) => {
        const found = narrowest(address);
        const all: number[] = [];
        for (let n = found?.owner ?? NOBODY; n !== NOBODY; n = found?.ranges.parents[n] ?? NOBODY)
          all.push(found?.ranges.indices[n] ?? NOBODY);
        return all;
      },
    };
  }
}

const NOBODY = -1;
/** Networks of a slice. */
const SLICE = 16_384;

/** Networks of one family, numbered as they came. */
interface Collected {
  readonly wordsEach: 1 | 4;
  readonly words: number[];
  readonly prefixes: number[];
  readonly indices: number[];
}

/** Range i reaches from its start to the next one's; `owners[i]` is the narrowest network over it, or nobody. */
interface Ranges {
  readonly networks: number;
  readonly wordsEach: number;
  readonly count: number;
  readonly starts: Uint32Array;
  readonly owners: Int32Array;
  /** By network: the next wider one around it, or the next one that is equal. */
  readonly parents: Int32Array;
  /** By network: its index in the list that the set was built from. */
  readonly indices: Uint32Array;
}

function* rangesOf(collected: Collected): Generator<undefined, Ranges, undefined> {
  const { wordsEach } = collected;
  const words = new Uint32Array(collected.words);
  const prefixes = new Uint8Array(collected.prefixes);
  const lasts = words.map((w, i) => w | hostBits(prefixes[Math.floor(i / wordsEach)] ?? 0, i % wordsEach));
  const parents = new Int32Array(prefixes.length).fill(NOBODY);
  // A network starts a range and, where it ends, hands over to what is around it: two ranges each at the most.
  const starts = new Uint32Array(2 * words.length);
  const owners = new Int32Array(2 * prefixes.length);
  let count = 0;
  /** Of ranges that start together the last counts. */
  const push = (start: Uint32Array, from: number, owner: number) => {
    if (count > 0 && compareWords(starts, (count - 1) * wordsEach, start, from, wordsEach) === 0) count -= 1;
    for (let i = 0; i < wordsEach; i++) starts[count * wordsEach + i] = start[from + i] ?? 0;
    owners[count] = owner;
    count += 1;
  };
  /** The networks around where we are, the narrowest last. */
  const open: number[] = [];
  const close = () => {
    const from = (open.pop() ?? 0) * wordsEach;
    if (increment(lasts, from, wordsEach)) push(lasts, from, open.at(-1) ?? NOBODY);
  };
  let different = 0;
  let seen = 0;
  for (const network of yield* sorted(words, prefixes, wordsEach)) {
    if (++seen % SLICE === 0) yield;
    const from = network * wordsEach;
    let around = open.at(-1);
    while (around !== undefined && compareWords(lasts, around * wordsEach, words, from, wordsEach) < 0) {
      close();
      around = open.at(-1);
    }
    const isEqual =
      around !== undefined &&
      prefixes[around] === prefixes[network] &&
      compareWords(words, around * wordsEach, words, from, wordsEach) === 0;
    if (!isEqual) different += 1;
    parents[network] = around ?? NOBODY;
    push(words, from, network);
    open.push(network);
  }
  while (open.length > 0) close();
  return {
    networks: different,
    wordsEach,
    count,
    starts: starts.slice(0, count * wordsEach),
    owners: owners.slice(0, count),
    parents,
    indices: new Uint32Array(collected.indices),
  };
}

/**
 * The networks by first address, the wider before the narrower, of equal ones the last before the first. A radix sort,
 * octet by octet: one that compares takes a second for half a million.
 */
function* sorted(
  words: Uint32Array,
  prefixes: Uint8Array,
  wordsEach: number,
): Generator<undefined, Uint32Array, undefined> {
  let order = new Uint32Array(prefixes.length).map((_, i, { length }) => length - 1 - i);
  order = sortedBy(order, (n) => prefixes[n] ?? 0);
  for (let octet = 4 * wordsEach - 1; octet >= 0; octet--) {
    const word = octet >>> 2;
    const shift = 24 - 8 * (octet & 3);
    yield;
    order = sortedBy(order, (n) => ((words[n * wordsEach + word] ?? 0) >>> shift) & 255);
  }
  return order;
}

/** What has the same octet keeps its order. */
function sortedBy(order: Uint32Array, octetOf: (network: number) => number): Uint32Array<ArrayBuffer> {
  const counts = new Uint32Array(256);
  for (const n of order) counts[octetOf(n)] = (counts[octetOf(n)] ?? 0) + 1;
  let before = 0;
  const places = counts.map((count) => (before += count) - count);
  const sorted = new Uint32Array(order.length);
  for (const n of order) {
    const octet = octetOf(n);
    const place = places[octet] ?? 0;
    sorted[place] = n;
    places[octet] = place + 1;
  }
  return sorted;
}

function ownerOf(ranges: Ranges, ip: Ip): number {
  const { starts, wordsEach, owners } = ranges;
  let low = 0;
  let high = ranges.count;
  // The last range that starts at or before the address.
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareWords(starts, middle * wordsEach, ip.words, 0, wordsEach) > 0) high = middle;
    else low = middle + 1;
  }
  return low === 0 ? NOBODY : (owners[low - 1] ?? NOBODY);
}

type Words = readonly number[] | Uint32Array;

function compareWords(a: Words, aFrom: number, b: Words, bFrom: number, count: number): number {
  for (let i = 0; i < count; i++) {
    const difference = (a[aFrom + i] ?? 0) - (b[bFrom + i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The bits of a word of the address that are behind the prefix. */
function hostBits(prefix: number, word: number): number {
  const bits = Math.max(0, prefix - 32 * word);
  return bits >= 32 ? 0 : 0xffffffff >>> bits;
}

/** To the next address; false when there is none. */
function increment(addresses: Uint32Array, from: number, count: number): boolean {
  for (let i = from + count - 1; i >= from; i--) {
    const word = ((addresses[i] ?? 0) + 1) >>> 0;
    addresses[i] = word;
    if (word !== 0) return true;
  }
  return false;
}
