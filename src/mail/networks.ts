/**
 * A set of networks, made once and asked for every connection. The networks are cut into disjoint ranges that know
 * their narrowest network; a look-up is one binary search over typed arrays, whatever the size of the set. Half a million
 * networks take about 12 MB and a second to build.
 */
import { parseIp, parseNetwork, type Ip, type Network } from './ip.ts';

export interface NetworkSet {
  /** Different networks in the set. */
  readonly size: number;
  has(address: string): boolean;
  /** Index, in the list that the set was built from, of the narrowest network around the address. */
  find(address: string): number | undefined;
  /** Indices of all networks around the address, narrowest first: at most 33 for IPv4, 129 for IPv6. */
  findAll(address: string): readonly number[];
}

/** Throws with the operator's message on the first text that is no network. Of equal networks the first counts. */
export function networkSet(texts: readonly string[]): NetworkSet {
  const networks: Network[] = [];
  for (const text of texts) {
    const network = parseNetwork(text);
    if (network.kind === 'bad') throw new Error(network.problem);
    networks.push(network);
  }
  const v4 = rangesOf(networks, 4);
  const v6 = rangesOf(networks, 6);
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
    find: (address) => narrowest(address)?.owner,
    findAll: (address) => {
      const found = narrowest(address);
      const all: number[] = [];
      for (let i = found?.owner ?? NOBODY; i !== NOBODY; i = found?.ranges.parents[i] ?? NOBODY) all.push(i);
      return all;
    },
  };
}

const NOBODY = -1;

/** Range i reaches from its start to the next one's; `owners[i]` is the narrowest network over it, or nobody. */
interface Ranges {
  readonly networks: number;
  readonly wordsEach: number;
  readonly count: number;
  readonly starts: Uint32Array;
  readonly owners: Int32Array;
  /** By index of a network: the next wider one around it. */
  readonly parents: Int32Array;
}

function rangesOf(networks: readonly Network[], family: 4 | 6): Ranges {
  const wordsEach = family === 4 ? 1 : 4;
  const order = sortedIndices(networks, family);
  const parents = new Int32Array(order.length === 0 ? 0 : networks.length).fill(NOBODY);
  // A network starts a range and, where it ends, hands over to what is around it: two ranges each at the most.
  const starts = new Uint32Array(2 * order.length * wordsEach);
  const owners = new Int32Array(2 * order.length);
  let count = 0;
  const push = (words: readonly number[], owner: number) => {
    if (count > 0 && sameWords(starts, (count - 1) * wordsEach, words)) count -= 1;
    starts.set(words, count * wordsEach);
    owners[count] = owner;
    count += 1;
  };
  const open: { index: number; after: readonly number[] | undefined }[] = [];
  const close = () => {
    const closed = open.pop();
    if (closed?.after !== undefined) push(closed.after, open.at(-1)?.index ?? NOBODY);
  };
  let different = 0;
  let last: Network | undefined;
  for (const index of order) {
    const network = networks[index];
    if (network === undefined) continue;
    if (last !== undefined && last.prefix === network.prefix && compareWords(last.base, network.base) === 0)
      continue;
    last = network;
    different += 1;
    while (open.length > 0 && isBefore(open.at(-1)?.after, network.base.words)) close();
    parents[index] = open.at(-1)?.index ?? NOBODY;
    push(network.base.words, index);
    open.push({ index, after: wordsAfter(network) });
  }
  while (open.length > 0) close();
  return {
    networks: different,
    wordsEach,
    count,
    starts: starts.slice(0, count * wordsEach),
    owners: owners.slice(0, count),
    parents,
  };
}

/** Indices of one family's networks by first address, the wider before the narrower, equal ones as they came. */
function sortedIndices(networks: readonly Network[], family: 4 | 6): Uint32Array {
  const mine: number[] = [];
  for (const [i, network] of networks.entries()) if (network.base.family === family) mine.push(i);
  return Uint32Array.from(mine).sort((i, j) => {
    const a = networks[i];
    const b = networks[j];
    if (a === undefined || b === undefined) return 0;
    return compareWords(a.base, b.base) || a.prefix - b.prefix || i - j;
  });
}

function ownerOf(ranges: Ranges, ip: Ip): number {
  const { starts, wordsEach, owners } = ranges;
  let low = 0;
  let high = ranges.count;
  // The last range that starts at or before the address.
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (startsAfter(starts, middle * wordsEach, ip.words)) high = middle;
    else low = middle + 1;
  }
  return low === 0 ? NOBODY : (owners[low - 1] ?? NOBODY);
}

function startsAfter(starts: Uint32Array, at: number, words: readonly number[]): boolean {
  for (let i = 0; i < words.length; i++) {
    const a = starts[at + i] ?? 0;
    const b = words[i] ?? 0;
    if (a !== b) return a > b;
  }
  return false;
}

function sameWords(starts: Uint32Array, at: number, words: readonly number[]): boolean {
  for (let i = 0; i < words.length; i++) if (starts[at + i] !== words[i]) return false;
  return true;
}

function compareWords(a: Ip, b: Ip): number {
  for (let i = 0; i < a.words.length; i++) {
    const difference = (a.words[i] ?? 0) - (b.words[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The first address behind the network; undefined when it reaches the last address there is. */
function wordsAfter(network: Network): readonly number[] | undefined {
  if (network.prefix === 0) return undefined;
  const words = [...network.base.words];
  let i = (network.prefix - 1) >>> 5;
  let step = 2 ** (31 - ((network.prefix - 1) & 31));
  for (; i >= 0; i--) {
    const sum = (words[i] ?? 0) + step;
    words[i] = sum % 2 ** 32;
    if (sum < 2 ** 32) return words;
    step = 1;
  }
  return undefined;
}

function isBefore(after: readonly number[] | undefined, words: readonly number[]): boolean {
  if (after === undefined) return false;
  for (const [i, a] of after.entries()) {
    const b = words[i] ?? 0;
    if (a !== b) return a < b;
  }
  return true; // equal: the network ends right where the next one starts
}
