/**
 * `node --expose-gc bench/scale.ts [--short]`: what grows, grown. Half a million networks in a list file, five million triplets in the greylist
 * (`--short`: a hundred thousand): how long they take to load and to look up, and how long the collection of old rows holds
 * anything else up while attempts run. The table at the end is Markdown. The store is made in the system's folder for
 * temporary files, about 200 octets a triplet, and deleted again.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openStore } from '../src/adapters/store/sqlite.ts';
import { LADDER } from '../src/checks/ladder.ts';
import { inSlices } from '../src/engine/in-slices.ts';
import { load, loading } from '../src/config/load.ts';
import { formatProblem } from '../src/config/problems.ts';
import { buildingLists, buildLists } from '../src/core/lists.ts';
import type { GreylistAttempt } from '../src/core/ports.ts';
import { networkSet } from '../src/mail/networks.ts';

const { short } = parseArgs({ options: { short: { type: 'boolean', default: false } } }).values;
const NETWORKS = 500_000;
const BLOCKS = 100_000;
const TRIPLETS = short ? 100_000 : 5_000_000;
const LOOK_UPS = short ? 20_000 : 200_000;
const COLLECT_MS = short ? 3000 : 30_000;
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** Of ten triplets so many came back and are known; the others wait for their window to end. */
const KNOWN_OF_TEN = 3;

const table: (readonly [what: string, figure: string])[] = [];
const note = (what: string, figure: string) => table.push([what, figure]);
const micro = (ms: number) => `${(ms * 1000).toFixed(1)} µs`;
const milli = (ms: number) => `${ms.toFixed(1)} ms`;
const grouped = (n: number) => n.toLocaleString('en-US');

await lists();
blocks();
await greylist();
process.stdout.write(`\nNode ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}\n\n`);
process.stdout.write(`| what | figure |\n| --- | --- |\n`);
for (const [what, figure] of table) process.stdout.write(`| ${what} | ${figure} |\n`);

async function lists(): Promise<void> {
  const random = randomFrom(1);
  // Half of them addresses, a quarter IPv4 networks, a quarter IPv6 networks.
  const texts = Array.from({ length: NETWORKS }, (_, i) => {
    const [a, b, c, d] = Array.from({ length: 4 }, () => Math.floor(random() * 256));
    if (i % 4 === 0) return `2001:${group(a, b)}:${group(c, d)}::/48`;
    return i % 4 === 1 ? `${a}.${b}.${c}.0/24` : `${a}.${b}.${c}.${d}`;
  });
  let before = performance.now();
  const set = networkSet(texts);
  note(`${grouped(NETWORKS)} networks into a set`, milli(performance.now() - before));

  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'postern.toml');
  writeFileSync(join(folder, 'block.txt'), texts.map((text, i) => `${text} # reason ${i % 10}\n`).join(''));
  writeFileSync(
    file,
    `host_name = "mx.example.org"
domains = ["example.org"]
data_dir = "data"
block_files = ["block.txt"]
[[listen]]
door = "gateway"
address = "127.0.0.1:0"
[backend]
url = "maildir:mail"
`,
  );
  const heldBefore = await held();
  before = performance.now();
  const loaded = load(file, LADDER);
  const read = performance.now() - before;
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  const built = buildLists(loaded.config.listEntries);
  const whole = performance.now() - before;
  const what = `a file of ${grouped(built.size)} networks`;
  note(`${what}: until it can be asked`, `${milli(whole)}, of which reading ${milli(read)}`);
  note(`${what}: memory for an entry`, `${(((await held()) - heldBefore) / NETWORKS).toFixed(0)} octets`);

  const listed = texts.slice(0, LOOK_UPS).map((text) => text.replace(/\/.*/, ''));
  const others = Array.from({ length: LOOK_UPS }, (_, i) => `10.${i % 256}.${(i >> 8) % 256}.7`).filter(
    (address) => !set.has(address),
  );
  let found = 0;
  for (const [clients, where] of [
    [listed, 'that is listed'],
    [others, 'that is not'],
  ] as const) {
    const each = (work: (client: string) => unknown) => {
      const began = performance.now();
      for (const client of clients) work(client);
      return micro((performance.now() - began) / clients.length);
    };
    note(
      `look-up of an address ${where}, mean`,
      each((client) => (found += built.find({ client }).length)),
    );
    note(
      `the same in the set of networks alone`,
      each((client) => set.has(client)),
    );
  }
  if (found < listed.length)
    throw new Error(`only ${found} of ${listed.length} look-ups found their network`);

  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await new Promise((resolve) => setTimeout(resolve, 50));
  delay.reset();
  before = performance.now();
  const again = await inSlices(loading(file, LADDER));
  if ('problems' in again) throw new Error('it was good a moment ago');
  const anew = await inSlices(buildingLists(again.config.listEntries));
  const took = performance.now() - before;
  await new Promise((resolve) => setTimeout(resolve, 50));
  delay.disable();
  if (anew.size !== built.size) throw new Error(`${anew.size} entries, and ${built.size} before`);
  note(`${what}, read anew while mail flows`, milli(took));
  note(`meanwhile: longest wait of the event loop`, milli(delay.max / 1e6));
}

/** Octets, the heap and what lies outside; without --expose-gc what is no longer used counts, too. */
async function held(): Promise<number> {
  globalThis.gc?.();
  await turn(); // what lies outside is freed a little later
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function blocks(): void {
  const random = randomFrom(3);
  const state = openStore(':memory:');
  const texts = Array.from({ length: BLOCKS }, (_, i) => {
    const [a, b, c, d] = Array.from({ length: 4 }, () => Math.floor(random() * 256));
    if (i % 4 === 0) return `2001:${group(a, b)}:${group(c, d)}::/64`;
    return i % 4 === 1 ? `${a}.${b}.${c}.0/24` : `${a}.${b}.${c}.${d}`;
  });
  const endsMs = Date.now() + DAY;
  for (const network of texts) state.blocks.add({ network, reason: 'bench', endsMs, by: 'operator' });
  const took = spread();
  for (let n = 0; n < LOOK_UPS; n++) {
    const address = (texts[(n * 7) % BLOCKS] ?? '').replace(/\/.*/, n % 2 === 0 ? '' : '1');
    took.time(() => state.blocks.covering(address));
  }
  note(`look-up in ${grouped(BLOCKS)} short-term blocks`, took.told());
  state.close();
}

async function greylist(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'store.sqlite');
  const clock = { ms: Date.now() };
  const trouble: unknown[] = [];
  const options = { nowMs: () => clock.ms, onTrouble: (error: unknown) => void trouble.push(error) };
  let state = openStore(file, options);
  const began = performance.now();
  for (let i = 0; i < TRIPLETS; i++) {
    if (i % 100 === 0) clock.ms += (100 * DAY) / TRIPLETS;
    state.greylist.attempt(triplet(i, { seedOnly: i % 10 < KNOWN_OF_TEN }));
    if (i % 500 === 0) await turn();
    if (i % 50_000 !== 0) continue;
    if (process.stderr.isTTY) process.stderr.write(`\rfilling: ${Math.floor((i / TRIPLETS) * 100)} % `);
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  note(
    `${grouped(TRIPLETS)} triplets into the greylist, each`,
    micro((performance.now() - began) / TRIPLETS),
  );
  state.close();
  note('octets of the file for a triplet', (statSync(file).size / TRIPLETS).toFixed(0));
  const opening = performance.now();
  state = openStore(file, options);
  note('opening the store', milli(performance.now() - opening));
  if (state.greylist.triplets.n !== TRIPLETS) throw new Error(`${state.greylist.triplets.n} triplets`);

  const random = randomFrom(2);
  const known = spread();
  for (let n = 0; n < LOOK_UPS; n++) {
    const i = Math.floor((random() * TRIPLETS) / 10) * 10 + (n % KNOWN_OF_TEN);
    known.time(() => {
      const { kind } = state.greylist.attempt(triplet(i));
      if (kind !== 'known') throw new Error(`triplet ${i} is ${kind}`);
    });
    if (n % 100 === 0) await turn();
  }
  note('attempt that is known (a look-up)', known.told());
  const fresh = spread();
  let next = TRIPLETS;
  for (let n = 0; n < LOOK_UPS; n++) {
    fresh.time(() => state.greylist.attempt(triplet(next++)));
    if (n % 100 === 0) await turn();
  }
  note('attempt that is new (an insertion)', fresh.told());

  // The day the first triplets were seen ends for half of those that never came back.
  clock.ms += 1.5 * DAY;
  const collect = state.collect.bind(state);
  const steps = spread();
  state.collect = () => {
    let more = false;
    steps.time(() => (more = collect()));
    return more;
  };
  const before = state.greylist.triplets.n;
  const during = spread();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const until = performance.now() + COLLECT_MS;
  // Two thousand attempts a second, half of them new.
  while (performance.now() < until) {
    for (let n = 0; n < 2; n++) {
      const i = n === 0 ? next++ : Math.floor((random() * TRIPLETS) / 10) * 10;
      during.time(() => state.greylist.attempt(triplet(i)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  delay.disable();
  note('while old rows are collected: attempt', during.told());
  note('while old rows are collected: a step of the collection', steps.told());
  note('while old rows are collected: longest wait of the event loop', milli(delay.max / 1e6));
  note('rows collected meanwhile', grouped(before + during.size / 2 - state.greylist.triplets.n));
  state.close();
  if (trouble.length > 0) throw new Error(`the store had trouble: ${String(trouble[0])}`);
}

/** About as long as real ones are. */
function triplet(i: number, over: Partial<GreylistAttempt> = {}): GreylistAttempt {
  const c = Math.imul(i - (i % 3), 0x9e3779b1) >>> 8;
  return {
    client: `${(c >> 16) & 255}.${(c >> 8) & 255}.${c & 255}.0/24`,
    sender: `sender.${i}@mail.domain${i % 100_003}.example`,
    recipient: `someone.${i % 4999}@example.org`,
    delayMs: 3 * MINUTE,
    retryWindowMs: 2 * DAY,
    keptMs: 36 * DAY,
    clientPasses: 0,
    seedOnly: false,
    sessionSinceMs: Infinity,
    ...over,
  };
}

/** How long things took. */
function spread() {
  const took: number[] = [];
  return {
    get size() {
      return took.length;
    },
    time(work: () => void): void {
      const before = performance.now();
      work();
      took.push(performance.now() - before);
    },
    told(): string {
      const sorted = Float64Array.from(took).sort();
      const at = (part: number) =>
        micro(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN);
      return `median ${at(0.5)}, 99 % ${at(0.99)}, 99.9 % ${at(0.999)}, longest ${milli(sorted.at(-1) ?? NaN)}`;
    },
  };
}

function group(a = 0, b = 0): string {
  return (a * 256 + b).toString(16);
}

/** The same numbers in each run (mulberry32). */
function randomFrom(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
