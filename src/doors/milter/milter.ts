import type { Endpoint, Listener } from '../listener.ts';
import { Service } from '../service.ts';
import { MilterConnection } from './connection.ts';
import type { MilterWorld } from './world.ts';

/** The milter door (D2): Postfix and Sendmail ask us what the gateway would decide by itself. */
export class Milter {
  readonly #service: Service;

  constructor(world: MilterWorld) {
    this.#service = new Service('milter', world, (socket, onEnd) => {
      return new MilterConnection(world, socket, onEnd);
    });
  }

  get open(): number {
    return this.#service.open;
  }

  listenOn(wanted: readonly Endpoint[]): Promise<readonly Listener['address'][]> {
    return this.#service.listenOn(wanted);
  }

  stop(): Promise<void> {
    return this.#service.stop();
  }
}
