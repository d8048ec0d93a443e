import { setImmediate as turn } from 'node:timers/promises';
import type { Slices } from '../core/slices.ts';

/** Does long work while others are served: the event loop has its turn after each slice. `before` each it may be given up, by a throw. */
export async function inSlices<T>(work: Slices<T>, before: () => void = () => undefined): Promise<T> {
  for (;;) {
    before();
    const step = work.next();
    if (step.done === true) return step.value;
    await turn();
  }
}
