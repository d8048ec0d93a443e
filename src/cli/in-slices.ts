import { setImmediate as turn } from 'node:timers/promises';
import type { Slices } from '../core/slices.ts';

/** Does long work while mail flows: the event loop has its turn after each slice. */
export async function inSlices<T>(work: Slices<T>): Promise<T> {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    await turn();
  }
}
