/**
 * The DNS port over c-ares (`node:dns`). Names come from clients and from DNS itself, so both are hostile: names are
 * checked before they are asked, names in answers before they are handed on. Equal questions in flight are one question;
 * who stops waiting does not stop the others. The cache is short and small: it spares the checks of one session, and of a
 * burst from one client, the second question. A local caching resolver (unbound) is what does the real caching.
 */
import { Resolver } from 'node:dns/promises';
import type { DnsAnswer, DnsPort, DnsRecords, DnsType } from '../../core/ports.ts';

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
const MAX_RECORDS = 100;
const MAX_NAME = 253;
// Underscores stand in SPF and DKIM names, slashes in delegated reverse zones (RFC 2317). A backslash is an escape to c-ares.
const LABEL = /^[a-z0-9_/*-]{1,63}$/;

type AnyAnswer = DnsAnswer<DnsRecords[DnsType]>;

export class DnsResolver implements DnsPort {
  readonly #resolver: Resolver;
  readonly #timeoutMs: number;
  readonly #maxCached: number;
  readonly #nowMs: () => number;
  readonly #inFlight = new Map<string, Promise<AnyAnswer>>();
  /** Questions that wait for their turn; no more than are in flight. */
  readonly #waiting: (() => void)[] = [];
  #sentThisTurn = 0;
  /** In the order of their last use. */
  readonly #cache = new Map<string, { readonly answer: AnyAnswer; readonly untilMs: number }>();

  /** Throws on a server that is no address. */
  constructor(options: ResolverOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#maxCached = options.maxCached ?? DEFAULT_MAX_CACHED;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    // Three tries fit into the question's time: 1, 2 and 2 parts of five.
    const firstMs = Math.max(50, Math.floor(this.#timeoutMs / 5));
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
    this.#cache.clear();
  }

  #resolve(name: string, type: DnsType, signal: AbortSignal): Promise<AnyAnswer> | AnyAnswer {
    const asked = normalName(name);
    // A name that DNS cannot carry does not exist.
    if (asked === undefined) return { kind: 'nxdomain' };
    const key = `${type} ${asked}`;
    const cached = this.#cached(key);
    if (cached !== undefined) return cached;
    if (signal.aborted) return { kind: 'timeout' };
    let question = this.#inFlight.get(key);
    if (question === undefined) {
      if (this.#inFlight.size >= MAX_IN_FLIGHT)
        return { kind: 'servfail', reason: 'too many questions in flight' };
      question = this.#ask(asked, type, key);
      this.#inFlight.set(key, question);
    }
    return untilAborted(question, signal);
  }

  async #ask(name: string, type: DnsType, key: string): Promise<AnyAnswer> {
    const turn = this.#turn();
    const asking = (
      turn === undefined ? this.#query(name, type) : turn.then(() => this.#query(name, type))
    ).then(
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
      // The c-ares question ends by itself, after its tries.
      return await Promise.race([asking, late]);
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

  async #query(name: string, type: DnsType): Promise<{ records: DnsRecords[DnsType][]; ttlMs: number }> {
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

  #cached(key: string): AnyAnswer | undefined {
    const entry = this.#cache.get(key);
    if (entry === undefined) return undefined;
    this.#cache.delete(key);
    if (entry.untilMs <= this.#nowMs()) return undefined;
    this.#cache.set(key, entry);
    return entry.answer;
  }

  #keep(key: string, answer: AnyAnswer, ttlMs: number): void {
    if (ttlMs <= 0 || this.#maxCached === 0) return;
    if (answer.kind === 'found' && octetsOf(answer.records) > MAX_CACHED_OCTETS) return;
    this.#cache.delete(key);
    if (this.#cache.size >= this.#maxCached) {
      const oldest = this.#cache.keys().next();
      if (oldest.done !== true) this.#cache.delete(oldest.value);
    }
    this.#cache.set(key, { answer, untilMs: this.#nowMs() + Math.min(ttlMs, MAX_TTL_MS) });
  }
}

/** Lower-case, without the final dot; undefined when DNS or c-ares cannot carry it. */
function normalName(name: string): string | undefined {
  const plain = (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
  if (plain.length > MAX_NAME) return undefined;
  return plain.split('.').every((label) => LABEL.test(label)) ? plain : undefined;
}

/** What other hosts put into their zones ends up in logs and headers: odd names are dropped. */
function names(found: readonly string[]): string[] {
  return found.slice(0, MAX_RECORDS).flatMap((name) => normalName(name) ?? []);
}

function answerOf(error: unknown): AnyAnswer {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  switch (code) {
    case 'ENOTFOUND':
    case 'EBADNAME':
      return { kind: 'nxdomain' };
    case 'ENODATA':
      return { kind: 'no-data' };
    case 'ETIMEOUT':
    case 'ECANCELLED':
      return { kind: 'timeout' };
    default:
      // ESERVFAIL, EREFUSED, ENOTIMP, EFORMERR, EBADRESP, ECONNREFUSED, ...
      return { kind: 'servfail', reason: code.replace(/^E/, '') };
  }
}

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
