import type { Endpoint, Listener } from '../listener.ts';
import { Service } from '../service.ts';
import { PolicyConnection } from './connection.ts';
import { MAX_VISITS, Visits } from './visits.ts';
import type { PolicyWorld } from './world.ts';

const FORGET_EVERY_MS = 10_000;

/** The policy door (D3): Postfix and Exim ask what we think of a client, a sender and a recipient. */
export class PolicyService {
  readonly #world: PolicyWorld;
  readonly #service: Service;
  readonly #visits: Visits;
  readonly #timer: NodeJS.Timeout;

  /** `visits`: messages that are asked about at one time. */
  constructor(world: PolicyWorld, visits = MAX_VISITS) {
    this.#visits = new Visits(world, visits);
    this.#service = new Service('policy', world, (socket, onEnd) => {
      return new PolicyConnection(world, this.#visits, socket, onEnd);
    });
    this.#world = world;
    this.#timer = setInterval(() => this.forgetIdle(), FORGET_EVERY_MS);
    this.#timer.unref();
  }

  get open(): number {
    return this.#service.open;
  }

  listenOn(wanted: readonly Endpoint[]): Promise<readonly Listener['address'][]> {
    return this.#service.listenOn(wanted);
  }

  /** Messages about which nobody has asked for long are over. */
  forgetIdle(): void {
    this.#visits.forgetIdle(this.#world.nowMs());
  }

  async stop(): Promise<void> {
    await this.#service.stop();
    clearInterval(this.#timer);
    this.#visits.endAll();
  }
}
