/** What one session leaves behind of its client's conduct: charges, good deliveries, and that it was turned away. */
import { after } from '../core/after.ts';
import { TURNED_AWAY, TURNED_AWAY_KEPT_MS, turnedAwayKey, type BroughtCharge } from '../core/charges.ts';
import type { DecisionOutcome, Step } from '../core/decision.ts';
import type { SessionFacts } from '../core/facts.ts';
import type { Policy } from '../core/policy.ts';
import type { Ports, Soon } from '../core/ports.ts';
import { clientNetwork } from '../core/site.ts';
import {
  bring,
  bringGuesses,
  chargesOf,
  noteDelivered,
  nonsenseCharge,
  type Circumstances,
  type Found,
} from './charges.ts';
import { attackOf, type Guessed } from './guessers.ts';

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
  /** A message came, whole: that recipients were let in speaks for nobody. */
  readonly isWhole: boolean;
  /** Nothing was found against it, and nothing was lifted for it. */
  readonly untouched: boolean;
  readonly guessed: Guessed;
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

  /**
   * A good delivery and charges outlive the session: they become the client's standing, or a block. What was brought, as far as the
   * store has answered at once.
   */
  ended(end: Ended): readonly BroughtCharge[] {
    const { policy, ports } = this.#world;
    const { facts, outcome, id, bounce, guessed } = end;
    const client = facts.client.address;
    if (outcome === 'deferred' || outcome === 'abandoned') this.turnedAway(facts);
    const { guesses, gravest } = chargesOf(end.steps, policy);
    const brought = this.#bring(
      { client, id, bounce },
      { guesses, gravest: gravest ?? nonsenseCharge(facts), guessed },
      end.isSpared,
    );
    if (outcome !== 'accepted' || !end.isWhole) return brought;
    this.#remember(() => noteDelivered(client, end.delivered, policy, ports));
    if (end.untouched) this.#remember(() => ports.standing.note(clientNetwork(policy.site, client), 'good'));
    return brought;
  }

  /** The session is over, and its transactions were before it. `id`: of the last one. */
  over({ client }: SessionFacts, id: string, inSession: Guessed['inSession'], isSpared: () => boolean): void {
    const guessed = { inTransaction: 0, inSession };
    const where = { client: client.address, id, bounce: false };
    this.#bring(where, { guesses: [], gravest: undefined, guessed }, isSpared);
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

  #bring(where: Circumstances, found: Held, isSpared: () => boolean): readonly BroughtCharge[] {
    const { policy, ports } = this.#world;
    const { guesses, gravest, guessed } = found;
    const brought: BroughtCharge[] = [];
    const note = (charge: BroughtCharge | undefined): void => {
      if (charge !== undefined) brought.push(charge);
    };
    const nothing = guesses.length === 0 && gravest === undefined && (guessed.inSession?.guesses ?? 0) === 0;
    if (nothing || isSpared()) return brought;
    this.#remember(() =>
      after(bringGuesses(guesses, where, policy, ports), (counted) => {
        note(counted);
        return after(attackOf(where.client, guessed, policy, ports), (attack) => {
          const charge = gravest?.charge === 'conviction' ? gravest : (attack ?? gravest);
          if (charge === undefined || this.#charged === charge.charge || this.#charged === 'conviction')
            return undefined;
          this.#charged = charge.charge;
          return after(bring({ ...charge, ...where }, policy, ports), note);
        });
      }),
    );
    return brought;
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

/** What one transaction, or the whole session, leaves to be brought. */
interface Held {
  readonly guesses: readonly Found<'guess'>[];
  /** Of what its checks found. */
  readonly gravest: Found<'strike' | 'conviction'> | undefined;
  readonly guessed: Guessed;
}
