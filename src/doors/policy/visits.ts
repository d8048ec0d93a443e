import type { PolicyAction } from '../../wire/policy/action.ts';
import type { PolicyRequest } from '../../wire/policy/request.ts';
import { Visit } from './visit.ts';
import type { PolicyWorld } from './world.ts';

// Exim has a connection for each request, and a client may be silent for minutes between two commands (RFC 5321 4.5.3.2).
const IDLE_MS = 300_000;
// Between a recipient and the end of the message lies the message, however slow its line is.
const EXPECTED_MS = 7_200_000;
export const MAX_VISITS = 10_000;

/** All messages that are being asked about, by `visitKey`: not by connection, for an MTA may have one for each request. */
export class Visits {
  readonly #world: PolicyWorld;
  readonly #most: number;
  /** The one used last stands last. */
  readonly #open = new Map<string, Visit>();

  constructor(world: PolicyWorld, most: number = MAX_VISITS) {
    this.#world = world;
    this.#most = most;
  }

  get size(): number {
    return this.#open.size;
  }

  /** `gone`: aborted when nobody waits for the answer any more. */
  async answer(request: PolicyRequest, gone: AbortSignal): Promise<PolicyAction> {
    const { clientAddress } = request;
    // Local mail, and questions that are not about mail.
    if (clientAddress === undefined || !ABOUT_MAIL.has(request.state)) return { kind: 'dunno' };
    const key = visitKey(request);
    const known = this.#open.get(key);
    // The MTA took its recipients without asking, by a list of its own, and that stands.
    if (known === undefined && key !== '' && LATE.has(request.state)) return { kind: 'dunno' };
    const visit = known ?? new Visit(this.#world, this.#world.settings(), { ...request, clientAddress });
    // Without an instance nothing belongs together: each request is a message of its own.
    if (key === '') return alone(visit, request, gone);
    this.#open.delete(key);
    this.#open.set(key, visit);
    if (this.#open.size > this.#most) this.#endOldest();
    const action = await visit.answer(request);
    if (request.state === 'END-OF-MESSAGE') this.end(key);
    return action;
  }

  /** By `visitKey`. */
  end(key: string): void {
    this.#open.get(key)?.end();
    this.#open.delete(key);
  }

  /** Those that nobody has asked about for long are over: nothing says so. */
  forgetIdle(nowMs: number): void {
    for (const [key, visit] of this.#open) {
      if (nowMs - visit.usedMs >= (visit.isExpected ? EXPECTED_MS : IDLE_MS)) this.end(key);
    }
  }

  endAll(): void {
    for (const key of [...this.#open.keys()]) this.end(key);
  }

  #endOldest(): void {
    const [oldest] = this.#open.keys();
    if (oldest !== undefined) this.end(oldest);
  }
}

/** What tells messages apart; empty where nothing does. Two MTAs may come upon the same `instance`: it is theirs to choose. */
export function visitKey({ instance, clientAddress = '' }: PolicyRequest): string {
  return instance === '' ? '' : `${clientAddress} ${instance}`;
}

/** It ends with its only answer, or with the one who waits for it. */
async function alone(visit: Visit, request: PolicyRequest, gone: AbortSignal): Promise<PolicyAction> {
  const end = () => visit.end();
  gone.addEventListener('abort', end, { once: true });
  try {
    return await visit.answer(request);
  } finally {
    gone.removeEventListener('abort', end);
    end();
  }
}

const LATE: ReadonlySet<PolicyRequest['state']> = new Set(['DATA', 'END-OF-MESSAGE']);

const ABOUT_MAIL: ReadonlySet<PolicyRequest['state']> = new Set([
  'CONNECT',
  'EHLO',
  'HELO',
  'MAIL',
  'RCPT',
  'DATA',
  'END-OF-MESSAGE',
]);
