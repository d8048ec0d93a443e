/**
 * Notices backends that take any recipient of a domain (E5). Such a backend makes recipient verification blind and bounces later,
 * to whoever the sender was said to be. Once in a while, when it has just taken a recipient, it is asked with the null sender for
 * one that cannot exist; nothing is sent and the transaction is reset. All of it happens behind the session's back: nobody
 * waits, and what goes wrong is tried again later.
 */
import { ACCEPT_ALL, acceptAllRecord } from '../../core/accept-all.ts';
import { isFailure, type Backend, type BackendFailure, type Delivery } from '../../core/delivery.ts';
import type { BackendAnswer, StorePort } from '../../core/ports.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import { isPermanent, isPositive } from '../../mail/reply.ts';

export interface AcceptAllSettings {
  readonly store: StorePort;
  readonly hostName: string;
  /** Only domains of ours are asked about; what we relay for our users is others' business. */
  readonly isOurs: (domain: string) => boolean;
  readonly everyMs: number;
  readonly timeoutMs?: number;
  readonly nowMs: () => number;
  /** Unguessable, letters and digits. */
  readonly newId: () => string;
  /** Once for each domain, until its backend is seen to refuse somebody. */
  readonly onAcceptAll: (domain: string, url: string) => void;
  readonly onTrouble: (what: string, error: unknown) => void;
}

/** What the operator is told to do about it. */
export const ACCEPT_ALL_REMEDY =
  'have it refuse unknown mailboxes, or list all of yours in recipient_files and set known_only = true below [checks.recipient-list]';

/** Names below a `.domain` of ours are a stranger's to make up, where their backend takes them. */
const MAX_DOMAINS = 10_000;
const MAX_ASKING = 4;
/** A backend that did not say yes or no is asked again after so long. */
const RETRY_MS = 3_600_000;
/** Known for longer than it is trusted, so that the operator is not told the same thing twice. */
const KEPT_BEYOND_MS = 90 * 86_400_000;

export class AcceptAllWatch {
  readonly #settings: AcceptAllSettings;
  /** When each domain is looked at again. */
  readonly #dueMs = new Map<string, number>();
  readonly #asking = new Set<Promise<void>>();
  readonly #end = new AbortController();

  constructor(settings: AcceptAllSettings) {
    this.#settings = settings;
  }

  /** The same backend; what it takes is noticed. */
  watching(backend: Backend): Backend {
    const noticed = (delivery: Delivery): Delivery => ({
      get awaited() {
        return delivery.awaited ?? false;
      },
      rcpt: async (recipient, parameters, signal) => {
        const answer = await delivery.rcpt(recipient, parameters, signal);
        if (answer.kind === 'replied' && isPositive(answer.reply)) this.#taken(recipient, backend);
        return answer;
      },
      send: (message, signal) => delivery.send(message, signal),
      abort: () => delivery.abort(),
    });
    return {
      url: backend.url,
      capabilities: () => backend.capabilities(),
      begin: async (envelope, signal) => {
        const begun = await backend.begin(envelope, signal);
        return isFailure(begun) ? begun : noticed(begun);
      },
      probe: (signal) => backend.probe(signal),
      close: async () => {
        this.#end.abort(new Error('the backend is closed'));
        await this.idle();
        await backend.close();
      },
    };
  }

  /** Ends when no question is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#asking);
  }

  #taken({ domain }: Mailbox, backend: Backend): void {
    const { nowMs, isOurs, onTrouble } = this.#settings;
    const now = nowMs();
    if ((this.#dueMs.get(domain) ?? 0) > now || this.#end.signal.aborted) return;
    if (this.#asking.size >= MAX_ASKING || !isOurs(domain)) return;
    if (this.#dueMs.size >= MAX_DOMAINS) this.#dueMs.clear();
    this.#dueMs.set(domain, now + RETRY_MS);
    const asking = this.#look(domain, backend)
      .catch((error: unknown) => onTrouble('what the backend takes could not be remembered', error))
      .finally(() => this.#asking.delete(asking));
    this.#asking.add(asking);
  }

  async #look(domain: string, backend: Backend): Promise<void> {
    const { store, nowMs, everyMs, onAcceptAll } = this.#settings;
    const before = acceptAllRecord(await store.recall(ACCEPT_ALL, domain));
    const dueMs = (before?.askedAtMs ?? -Infinity) + everyMs;
    if (dueMs > nowMs()) {
      this.#dueMs.set(domain, dueMs);
      return;
    }
    const acceptsAll = await this.#takesAny(domain, backend);
    if (acceptsAll === undefined) return;
    const askedAtMs = nowMs();
    this.#dueMs.set(domain, askedAtMs + everyMs);
    await store.remember(ACCEPT_ALL, domain, { acceptsAll, askedAtMs }, everyMs + KEPT_BEYOND_MS);
    if (acceptsAll && before?.acceptsAll !== true) onAcceptAll(domain, backend.url);
  }

  /** Undefined where it does not say. */
  async #takesAny(domain: string, backend: Backend): Promise<boolean | undefined> {
    const { hostName, newId, timeoutMs = 30_000 } = this.#settings;
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(timeoutMs)]);
    const begun: Delivery | BackendFailure = await backend.begin(
      { reversePath: null, parameters: {}, client: { address: '127.0.0.1', port: 25, heloName: hostName } },
      signal,
    );
    if (isFailure(begun)) return undefined;
    const answer: BackendAnswer = await begun.rcpt(
      { local: `nobody${newId().toLowerCase()}`, domain },
      {},
      signal,
    );
    begun.abort();
    if (answer.kind === 'unreachable') return undefined;
    const said = answer.reply;
    if (isPositive(said)) return true;
    // RFC 3463 3.8: X.7 is about who asks, not about whom he asked for.
    return isPermanent(said) && !said.enhanced.startsWith('5.7.') ? false : undefined;
  }
}
