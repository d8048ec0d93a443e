/**
 * The DNS port over c-ares (`node:dns`), and over sockets of its own for names that c-ares does not put. Names come from
 * clients and from DNS itself, so both are hostile: names are checked before they are asked, names in answers before they
 * are handed on. Equal questions in flight are one question;
 * who stops waiting does not stop the others. The cache is short and small: it spares the checks of one session, and of a
 * burst from one client, the second question. A local caching resolver (unbound) is what does the real caching.
 */
import { Resolver } from 'node:dns/promises';
import { AnswerCache } from './answer-cache.ts';
import { Answering } from './answering.ts';
import type { DnsAnswer, DnsPort, DnsRecords, DnsType } from '../../core/ports.ts';
import { askRaw, isCarried } from './raw-question.ts';

export interface ResolverOptions {
  /** `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`; empty: the system's. */
  readonly servers?: readonly string[];
  /** For one question with all its repetitions. */
  readonly timeoutMs?: number;
  readonly maxCached?: number;
  readonly nowMs?: () => number;
}

const DEFAULT_TIMEOUT_MS = 8000;
// c-ares asks each server this often, waiting longer each time.
const TRIES = 3;
const DEFAULT_MAX_CACHED = 10_000;
// A stranger's TXT record may have 64 KiB: what is larger than any answer of use is not kept.
const MAX_CACHED_OCTETS = 4096;
const MAX_TTL_MS = 60_000;
const TTL_WITHOUT_MS = 30_000;
const NEGATIVE_TTL_MS = 10_000;
// Each costs a socket's memory and a timer; beyond this the resolver behind us is dead or we are under attack.
const MAX_IN_FLIGHT = 10_000;
// More at once overflow UDP buffers (libuv reads 32 datagrams a turn), and the lost ones come back together after their
// time-out: of 3,000 questions asked in one turn of the event loop 768 were answered, in portions all of them.
const MAX_SENT_PER_TURN = 16;
// "No data" is what c-ares makes of much that is none: RCODEs that it has no error for, aliases in a ring, an answer that is
// truncated over TCP too. A sender would be refused for a fault of DNS, so it is asked again by somebody who looks. Not for
// AAAA and CNAME: most names have none, and where they are asked another question goes with them.
const CONFIRMED: ReadonlySet<DnsType> = new Set(['A', 'MX', 'PTR', 'TXT']);
// Names with odd octets, which SPF macros make of what clients say: each is a socket of its own.
const MAX_RAW_IN_FLIGHT = 256;
const MAX_RECORDS = 100;
const MAX_NAME = 253;
// Underscores stand in SPF and DKIM names, slashes in delegated reverse zones (RFC 2317); c-ares takes no other octets. Without
// the flag `u` no letter outside of ASCII is taken for one inside (the Kelvin sign for `k`).
const PLAIN = /^[a-z0-9_/*-]{1,63}(?:\.[a-z0-9_/*-]{1,63})*$/i;

type AnyAnswer = DnsAnswer<DnsRecords[DnsType]>;
interface Found {
  readonly records: readonly DnsRecords[DnsType][];
  readonly ttlMs: number;
}

export class DnsResolver implements DnsPort {
  readonly answering: Answering;
  readonly #resolver: Resolver;
  readonly #timeoutMs: number;
  readonly #patienceMs: readonly number[];
  readonly #inFlight = new Map<string, Promise<AnyAnswer>>();
  /** Questions that wait for their turn; no more than are in flight. */
  readonly #waiting: (() => void)[] = [];
  #sentThisTurn = 0;
  /** Questions beside c-ares. */
  readonly #raw = new Set<AbortController>();
  readonly #cache: AnswerCache<AnyAnswer>;

  /** Throws on a server that is no address. */
  constructor(options: ResolverOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const { maxCached = DEFAULT_MAX_CACHED, nowMs = () => performance.now() } = options;
    this.#cache = new AnswerCache(maxCached, nowMs);
    this.answering = new Answering(nowMs);
    // Three tries fit into the question's time: 1, 2 and 2 parts of five.
    const firstMs = Math.max(50, Math.floor(this.#timeoutMs / 5));
    this.#patienceMs = [firstMs, 2 * firstMs, 2 * firstMs];
    this.#resolver = new Resolver({ timeout: firstMs, maxTimeout: 2 * firstMs, tries: TRIES });
    if (options.servers !== undefined && options.servers.length > 0)
      this.#resolver.setServers([...options.servers]);
  }

  /** The servers in use. */
  get servers(): readonly string[] {
    return this.#resolver.getServers();
  }

  async resolve<T extends DnsType>(
    name: string,
    type: T,
    signal: AbortSignal,
  ): Promise<DnsAnswer<DnsRecords[T]>> {
    // The cache and the questions in flight are keyed by type, so an answer holds records of the type asked for.
    return (await this.#resolve(name, type, signal)) as DnsAnswer<DnsRecords[T]>;
  }

  /** Ends all questions as `timeout`. */
  close(): void {
    this.#resolver.cancel();
    for (const question of this.#raw) question.abort();
    this.#cache.clear();
  }

  #resolve(name: string, type: DnsType, signal: AbortSignal): Promise<AnyAnswer> | AnyAnswer {
    const plain = normalName(name);
    const asked = plain ?? oddName(name);
    // A name that DNS cannot carry does not exist.
    if (asked === undefined) return { kind: 'nxdomain' };
    const key = `${type} ${asked}`;
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    if (signal.aborted) return { kind: 'timeout' };
    let question = this.#inFlight.get(key);
    if (question === undefined) {
      if (this.#inFlight.size >= MAX_IN_FLIGHT)
        return { kind: 'servfail', reason: 'too many questions in flight' };
      const query =
        plain === undefined ? () => this.#queryRaw(asked, type) : () => this.#queryPlain(plain, type);
      question = this.#ask(query, key);
      this.#inFlight.set(key, question);
    }
    return untilAborted(question, signal);
  }

  async #ask(query: () => Promise<Found>, key: string): Promise<AnyAnswer> {
    const turn = this.#turn();
    const asking = (turn === undefined ? query() : turn.then(query)).then(
      ({ records, ttlMs }): AnyAnswer => {
        const answer: AnyAnswer = records.length === 0 ? { kind: 'no-data' } : { kind: 'found', records };
        this.#keep(key, answer, records.length === 0 ? NEGATIVE_TTL_MS : ttlMs);
        return answer;
      },
      (error: unknown): AnyAnswer => {
        const answer = answerOf(error);
        if (answer.kind === 'nxdomain' || answer.kind === 'no-data') this.#keep(key, answer, NEGATIVE_TTL_MS);
        return answer;
      },
    );
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<AnyAnswer>((resolve) => {
      timer = setTimeout(resolve, this.#timeoutMs, { kind: 'timeout' });
    });
    try {
      // The question itself ends after its tries.
      const answer = await Promise.race([asking, late]);
      this.answering.note(answer.kind !== 'timeout' && answer.kind !== 'servfail');
      return answer;
    } finally {
      clearTimeout(timer);
      this.#inFlight.delete(key);
    }
  }

  /** Undefined: at once. */
  #turn(): Promise<void> | undefined {
    if (this.#sentThisTurn === 0) setImmediate(() => this.#nextTurn());
    if (this.#sentThisTurn < MAX_SENT_PER_TURN) {
      this.#sentThisTurn += 1;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #nextTurn(): void {
    const next = this.#waiting.splice(0, MAX_SENT_PER_TURN);
    this.#sentThisTurn = next.length;
    if (next.length > 0) setImmediate(() => this.#nextTurn());
    for (const resolve of next) resolve();
  }

  async #queryPlain(name: string, type: DnsType): Promise<Found> {
    let found: Found = NOTHING;
    try {
      found = await this.#query(name, type);
    } catch (error) {
      if (codeOf(error) !== 'ENODATA') throw error;
    }
    if (found.records.length > 0 || !CONFIRMED.has(type) || this.#raw.size >= MAX_RAW_IN_FLIGHT) return found;
    try {
      await this.#queryRaw(name, type);
    } catch (error) {
      if (codeOf(error) !== 'ENOTFOUND') throw error;
    }
    return found;
  }

  async #queryRaw(name: string, type: DnsType): Promise<Found> {
    // Asked at all, they would be asked late: the same as an answer that is late.
    if (this.#raw.size >= MAX_RAW_IN_FLIGHT) throw Object.assign(new Error('too many'), { code: 'ETIMEOUT' });
    const ending = new AbortController();
    const timer = setTimeout(() => ending.abort(), this.#timeoutMs);
    this.#raw.add(ending);
    try {
      const { servers } = this;
      const patienceMs = this.#patienceMs;
      return await askRaw({ name, type, servers, patienceMs, maxRecords: MAX_RECORDS }, ending.signal);
    } finally {
      clearTimeout(timer);
      this.#raw.delete(ending);
    }
  }

  async #query(name: string, type: DnsType): Promise<Found> {
    switch (type) {
      case 'A':
      case 'AAAA': {
        const found =
          type === 'A'
            ? await this.#resolver.resolve4(name, { ttl: true })
            : await this.#resolver.resolve6(name, { ttl: true });
        const ttl = found.reduce((least, r) => Math.min(least, r.ttl), MAX_TTL_MS / 1000);
        return { records: found.slice(0, MAX_RECORDS).map((r) => r.address), ttlMs: ttl * 1000 };
      }
      case 'PTR':
        return { records: names(await this.#resolver.resolvePtr(name)), ttlMs: TTL_WITHOUT_MS };
      case 'CNAME':
        return { records: names(await this.#resolver.resolveCname(name)), ttlMs: TTL_WITHOUT_MS };
      case 'NS':
        return { records: names(await this.#resolver.resolveNs(name)), ttlMs: TTL_WITHOUT_MS };
      case 'MX': {
        const found = await this.#resolver.resolveMx(name);
        const records = found.slice(0, MAX_RECORDS).flatMap(({ exchange, priority }) => {
          // RFC 7505 3: the exchange of a null MX is the root.
          const host = exchange === '' || exchange === '.' ? '' : normalName(exchange);
          return host === undefined ? [] : [{ exchange: host, priority }];
        });
        return { records, ttlMs: TTL_WITHOUT_MS };
      }
      case 'TXT': {
        const found = await this.#resolver.resolveTxt(name);
        return {
          records: found.slice(0, MAX_RECORDS).map((strings) => strings.join('')),
          ttlMs: TTL_WITHOUT_MS,
        };
      }
      default:
        return type satisfies never;
    }
  }

  #keep(key: string, answer: AnyAnswer, ttlMs: number): void {
    if (ttlMs <= 0) return;
    if (answer.kind === 'found' && octetsOf(answer.records) > MAX_CACHED_OCTETS) return;
    this.#cache.set(key, answer, Math.min(ttlMs, MAX_TTL_MS));
  }
}

const NOTHING: Found = { records: [], ttlMs: 0 };

/** Lower-case, without the final dot; undefined when c-ares does not take it. */
function normalName(name: string): string | undefined {
  const plain = withoutFinalDot(name);
  return plain.length <= MAX_NAME && PLAIN.test(plain) ? plain.toLowerCase() : undefined;
}

/** RFC 4343 3: the letters of ASCII alone have two cases. Undefined when DNS cannot carry it. */
function oddName(name: string): string | undefined {
  const plain = withoutFinalDot(name);
  return isCarried(plain) ? plain.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : undefined;
}

const withoutFinalDot = (name: string): string => (name.endsWith('.') ? name.slice(0, -1) : name);

/** What other hosts put into their zones ends up in logs and headers: odd names are dropped. */
function names(found: readonly string[]): string[] {
  return found.slice(0, MAX_RECORDS).flatMap((name) => normalName(name) ?? []);
}

function answerOf(error: unknown): AnyAnswer {
  const code = codeOf(error);
  switch (code) {
    case 'ENOTFOUND':
      return { kind: 'nxdomain' };
    case 'ENODATA':
      return { kind: 'no-data' };
    case 'ETIMEOUT':
    case 'ECANCELLED':
      return { kind: 'timeout' };
    default:
      // EBADNAME too: names are looked at before they are asked, so it is a name in the answer.
      // ESERVFAIL, EREFUSED, ENOTIMP, EFORMERR, EBADRESP, ECONNREFUSED, ...
      return { kind: 'servfail', reason: code.replace(/^E/, '') };
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

function octetsOf(records: readonly DnsRecords[DnsType][]): number {
  let sum = 0;
  for (const record of records) sum += (typeof record === 'string' ? record : record.exchange).length;
  return sum;
}

function untilAborted(question: Promise<AnyAnswer>, signal: AbortSignal): Promise<AnyAnswer> {
  return new Promise((resolve) => {
    const onAbort = () => resolve({ kind: 'timeout' });
    signal.addEventListener('abort', onAbort, { once: true });
    void question.then((answer) => {
      signal.removeEventListener('abort', onAbort);
      resolve(answer);
    });
  });
}
