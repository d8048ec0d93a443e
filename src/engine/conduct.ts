/** What one session leaves behind of its client's conduct: charges, good deliveries, and that it was turned away. */
import { after } from '../core/after.ts';
import { TURNED_AWAY, TURNED_AWAY_KEPT_MS, turnedAwayKey } from '../core/charges.ts';
import type { DecisionOutcome, Step } from '../core/decision.ts';
import type { SessionFacts } from '../core/facts.ts';
import type { Policy } from '../core/policy.ts';
import type { Ports, Soon } from '../core/ports.ts';
import { clientNetwork } from '../core/site.ts';
import { bringAll, chargesOf, noteDelivered, nonsenseCharge, type Found } from './charges.ts';

interface World {
  readonly policy: Policy;
  readonly ports: Ports;
  readonly nowMs: () => number;
  readonly trouble: (what: string, error: unknown) => void;
}

/** One transaction, or a session that had none. */
export interface Ended {
  readonly facts: SessionFacts;
  /** Of the decision. */
  readonly id: string;
  readonly steps: readonly Step[];
  readonly outcome: DecisionOutcome;
  /** It had the null sender. */
  readonly bounce: boolean;
  /** Recipients that were let in. */
  readonly delivered: number;
  /** Nothing was found against it, and nothing was lifted for it. */
  readonly untouched: boolean;
  /** Asked only where there is a charge. */
  readonly isSpared: () => boolean;
}

export class Conduct {
  readonly #world: World;
  /** The gravest charge that was brought: a session is one slip, however many rules it broke. */
  #charged: 'strike' | 'conviction' | undefined;
  /** The key of its last note. */
  #noted: string | undefined;
  /** Writes go one after the other: each looks at what the last one left. */
  #remembering: Soon<unknown>;

  constructor(world: World) {
    this.#world = world;
  }

  /** A good delivery and charges outlive the session: they become the client's standing, or a block. */
  ended(end: Ended): void {
    const { policy, ports } = this.#world;
    const { facts, outcome, id, bounce } = end;
    const client = facts.client.address;
    if (outcome === 'deferred' || outcome === 'abandoned') this.turnedAway(facts);
    const charges = this.#charges(end);
    if (charges.length > 0 && !end.isSpared())
      this.#remember(() => bringAll(charges, { client, id, bounce }, policy, ports));
    if (outcome !== 'accepted') return;
    this.#remember(() => noteDelivered(client, end.delivered, policy, ports));
    if (end.untouched) this.#remember(() => ports.standing.note(clientNetwork(policy.site, client), 'good'));
  }

  /** Only a honeypot asks for it. */
  turnedAway({ role, client }: SessionFacts): void {
    const { policy, ports, nowMs } = this.#world;
    if (role === 'honeypot' || policy.site.honeypot !== true) return;
    // A session may last longer than its note.
    const key = turnedAwayKey(client.address, nowMs());
    if (this.#noted === key) return;
    this.#noted = key;
    this.#remember(() => ports.rates.add(TURNED_AWAY, key, TURNED_AWAY_KEPT_MS));
  }

  #charges({ steps, facts }: Ended): readonly Found[] {
    const { guesses, gravest: found } = chargesOf(steps, this.#world.policy);
    const gravest = found ?? nonsenseCharge(facts);
    if (gravest === undefined || this.#charged === gravest.charge || this.#charged === 'conviction')
      return guesses;
    this.#charged = gravest.charge;
    return [...guesses, gravest];
  }

  #remember(work: () => Soon<unknown>): void {
    const trouble = (error: unknown) =>
      this.#world.trouble("a client's conduct could not be remembered", error);
    try {
      const done = after(this.#remembering, work);
      this.#remembering = done instanceof Promise ? done.catch(trouble) : undefined;
    } catch (error) {
      trouble(error);
    }
  }
}
