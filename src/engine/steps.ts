import type { Step } from '../core/decision.ts';
import type { ConfiguredCheck } from '../core/policy.ts';
import type { Stage } from '../core/stage.ts';
import type { StepCache } from './judge.ts';

/**
 * The steps of a session, each kept for as long as its facts hold: of the connection, of HELO, of the transaction, of the
 * recipient judged now. Lists and no maps: they are short, every session makes them anew, and a map costs more than a search.
 */
export class Steps implements StepCache {
  readonly #connect: Step[] = [];
  #helo: Step[] = [];
  /** Of checks that are asked anew for each transaction. */
  #anew: Step[] = [];
  #transaction: Step[] = [];
  #recipient: Step[] = [];

  get({ check }: ConfiguredCheck): Step | undefined {
    const { name } = check;
    for (const step of this.#of(check)) if (step.check === name) return step;
    return undefined;
  }

  set({ check }: ConfiguredCheck, step: Step): void {
    const steps = this.#of(check);
    for (let i = 0; i < steps.length; i++) {
      if (steps[i]?.check === check.name) {
        steps[i] = step;
        return;
      }
    }
    steps.push(step);
  }

  forgetHelo(): void {
    this.#helo = [];
  }

  forgetTransaction(): void {
    this.#anew = [];
    this.#transaction = [];
  }

  forgetRecipient(): void {
    this.#recipient = [];
  }

  /** Of the recipient judged now. */
  get recipient(): readonly Step[] {
    return this.#recipient;
  }

  /** Of the session alone, or with those of its transaction; those of recipients aside. */
  all(withTransaction: boolean): Step[] {
    return withTransaction
      ? [...this.#connect, ...this.#anew, ...this.#helo, ...this.#transaction]
      : [...this.#connect, ...this.#anew, ...this.#helo];
  }

  #of({ stage, anew }: { readonly stage: Stage; readonly anew?: true }): Step[] {
    switch (stage) {
      case 'connect':
        return anew === true ? this.#anew : this.#connect;
      case 'helo':
        return this.#helo;
      case 'rcpt':
        return this.#recipient;
      case 'mail':
      case 'data':
      case 'endOfMessage':
        return this.#transaction;
      default:
        return stage satisfies never;
    }
  }
}
