import type { Decision } from '../../core/decision.ts';
import type { GatewayWorld } from './world.ts';

/** What cannot be written down is the operator's trouble, never the client's. */
export function record(
  world: Pick<GatewayWorld, 'record' | 'trouble'>,
  decision: Decision | undefined,
): void {
  if (decision === undefined) return;
  try {
    world.record(decision);
  } catch (error) {
    world.trouble('a decision could not be recorded', error, decision.id);
  }
}
