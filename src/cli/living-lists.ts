/**
 * The lists that people keep while the gate runs, as the checks ask them: held in memory like those of the configuration, and made anew
 * after a change, in slices, while mail flows.
 */
import { buildingLists, buildLists, type ListEntry, type Lists } from '../core/lists.ts';
import { atOnce, type Slices } from '../core/slices.ts';
import { inSlices } from '../engine/in-slices.ts';

/** What of the store it takes. */
export interface ListedSource {
  /** `leftOut` is told of each that cannot be read, and the others are given. */
  reading(leftOut?: (problem: string) => void): Slices<readonly ListEntry[]>;
  /** Grows with what people do. */
  changes(): number;
  /** Grows with the end of an entry as well. */
  version(): number;
  onChange: (() => void) | undefined;
}

/** What another process changed holds after so long, and the time that it takes to read it. */
const LOOK_EVERY_MS = 500;
/** An entry that has ended does not hold from that moment on; so much later it leaves memory. */
const TIDY_EVERY_MS = 60_000;
/** Of the entries that cannot be read so many are named. */
const NAMED = 5;

export class LivingLists implements Lists {
  readonly #source: ListedSource;
  readonly #nowMs: () => number;
  readonly #onTrouble: (error: unknown) => void;
  readonly #timer: NodeJS.Timeout;
  #lists: Lists = NO_LISTS;
  #changesSeen = -1;
  #versionSeen = -1;
  #tidiedMs = -Infinity;
  #reading = false;
  #told = false;
  #leftOutTold = '';
  #stopped = false;

  /** Reads them at once. A store that cannot be read is told of, and holds up nobody: what was read last stays in force. */
  constructor(
    source: ListedSource,
    nowMs: () => number,
    onTrouble: (error: unknown) => void,
    lookEveryMs = LOOK_EVERY_MS,
  ) {
    this.#source = source;
    this.#nowMs = nowMs;
    this.#onTrouble = onTrouble;
    this.#quietly(() => {
      const [changes, version] = [source.changes(), source.version()];
      const leftOut: string[] = [];
      this.#put(atOnce(readLists(source, (problem) => void leftOut.push(problem))), changes, version);
      this.#tell(leftOut);
    });
    source.onChange = () => void this.look();
    this.#timer = setInterval(() => void this.look(), lookEveryMs).unref();
  }

  get size(): number {
    return this.#lists.size;
  }

  get namesHosts(): boolean {
    return this.#lists.namesHosts;
  }

  find(question: Parameters<Lists['find']>[0]): readonly ListEntry[] {
    const found = this.#lists.find(question);
    return found.length === 0 ? found : found.filter((entry) => isInForce(entry, this.#nowMs()));
  }

  /** Reads them anew if they have changed. Resolves when that is done; a few are read before it returns. */
  async look(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      // Again where somebody changed them meanwhile, but no third time: there is the next look.
      for (let times = 0; times < 2; times++) {
        const [changes, version] = [this.#source.changes(), this.#source.version()];
        if (!this.#isStale(changes, version)) break;
        const leftOut: string[] = [];
        const reading = this.#source.reading((problem) => void leftOut.push(problem));
        const first = reading.next();
        const lists =
          first.done === true
            ? buildLists(first.value)
            : await inSlices(readLists({ reading: () => reading }));
        this.#put(lists, changes, version);
        this.#tell(leftOut);
      }
      this.#told = false;
    } catch (error) {
      this.#trouble(error);
    } finally {
      this.#reading = false;
    }
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#source.onChange = undefined;
  }

  #isStale(changes: number, version: number): boolean {
    if (changes !== this.#changesSeen) return true;
    // Of many entries one may end every moment: they are no reason to read all others again and again.
    return version !== this.#versionSeen && Math.abs(performance.now() - this.#tidiedMs) >= TIDY_EVERY_MS;
  }

  #put(lists: Lists, changes: number, version: number): void {
    this.#lists = lists;
    this.#changesSeen = changes;
    this.#versionSeen = version;
    this.#tidiedMs = performance.now();
  }

  /** Once, as long as they stay the same. */
  #tell(leftOut: readonly string[]): void {
    const named = leftOut.slice(0, NAMED).join('; ');
    const text = leftOut.length > NAMED ? `${named}; and ${leftOut.length - NAMED} more` : named;
    const isNew = text !== this.#leftOutTold;
    this.#leftOutTold = text;
    if (!isNew || text === '' || this.#stopped) return;
    this.#onTrouble(new Error(`left out, \`postern list remove\` takes them off: ${text}`));
  }

  #quietly(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#trouble(error);
    }
  }

  #trouble(error: unknown): void {
    if (!this.#told && !this.#stopped) this.#onTrouble(error);
    this.#told = true;
  }
}

const NO_LISTS: Lists = { size: 0, namesHosts: false, find: () => [] };

const isInForce = ({ endsMs }: ListEntry, nowMs: number): boolean => endsMs === undefined || endsMs > nowMs;

export function* readLists(
  source: Pick<ListedSource, 'reading'>,
  leftOut?: (problem: string) => void,
): Slices<Lists> {
  const entries = yield* source.reading(leftOut);
  return yield* buildingLists(entries);
}
