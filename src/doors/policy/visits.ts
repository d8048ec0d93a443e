import type { PolicyAction } from '../../wire/policy/action.ts';
import type { PolicyRequest } from '../../wire/policy/request.ts';
import { Visit } from './visit.ts';
import type { PolicyWorld } from './world.ts';

// Exim has a connection for each request, and a client may be silent for minutes between two commands (RFC 5321 4.5.3.2).
const IDLE_MS = 300_000;
// Between a recipient and the end of the message lies the message, however slow its line is.
const EXPECTED_MS = 7_200_000;
export const MAX_VISITS = 10_000;

/** All messages that are being asked about, by their `instance`: not by connection, for an MTA may have one for each request. */
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

  async answer(request: PolicyRequest): Promise<PolicyAction> {
    const { clientAddress } = request;
    // Local mail, and questions that are not about mail.
    if (clientAddress === undefined || !ABOUT_MAIL.has(request.state)) return { kind: 'dunno' };
    const known = this.#open.get(request.instance);
    // The MTA took its recipients without asking, by a list of its own, and that stands.
    if (known === undefined && request.instance !== '' && LATE.has(request.state)) return { kind: 'dunno' };
    const visit = known ?? new Visit(this.#world, this.#world.settings(), { ...request, clientAddress });
    // Without an instance nothing belongs together: each request is a message of its own.
    if (request.instance === '') {
      const action = await visit.answer(request);
      visit.end();
      return action;
    }
    this.#open.delete(request.instance);
    this.#open.set(request.instance, visit);
    if (this.#open.size > this.#most) this.#endOldest();
    const action = await visit.answer(request);
    if (request.state === 'END-OF-MESSAGE') this.end(request.instance);
    return action;
  }

  end(instance: string): void {
    this.#open.get(instance)?.end();
    this.#open.delete(instance);
  }

  /** Those that nobody has asked about for long are over: nothing says so. */
  forgetIdle(nowMs: number): void {
    for (const [instance, visit] of this.#open) {
      if (nowMs - visit.usedMs >= (visit.isExpected ? EXPECTED_MS : IDLE_MS)) this.end(instance);
    }
  }

  endAll(): void {
    for (const instance of [...this.#open.keys()]) this.end(instance);
  }

  #endOldest(): void {
    const [oldest] = this.#open.keys();
    if (oldest !== undefined) this.end(oldest);
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
