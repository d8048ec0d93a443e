/** What the door would do with a client now: it decides before any check is asked, and leaves no decision behind. */
import { clientNetwork } from '../core/site.ts';
import { standingKind } from '../core/standing.ts';
import { ATTEMPTS, isOurs } from '../doors/gateway/entrance.ts';
import { passes, turnedAwayOfBad } from '../doors/emergency.ts';
import type { GatewaySettings } from '../doors/gateway/world.ts';

/** A sentence without full stop. How busy the gate is now only the gate itself knows. */
export async function atTheDoor(settings: GatewaySettings, address: string): Promise<string> {
  if (isOurs(settings, address)) return 'let in before all others: it is ours, or on an allow list';
  const { ports, policy, emergency } = settings;
  const network = clientNetwork(policy.site, address);
  const standing = await ports.standing.of(network);
  const kind = standingKind(standing);
  const known = `standing ${kind} (good ${standing.good.toFixed(1)}, bad ${standing.bad.toFixed(1)})`;
  if (kind === 'good') return `let in, also under load and in an emergency: ${known}`;
  const share = emergency?.turnAwayPercent ?? 0;
  if (share === 0) {
    const then = kind === 'bad' ? 'among the first to be turned away' : 'behind those in good standing';
    return `let in; under load ${then}: ${known}`;
  }
  const before = await ports.store.recall(ATTEMPTS, network);
  const its = kind === 'bad' ? turnedAwayOfBad(share) : share;
  const isIn = passes(network, (typeof before === 'number' ? before : 0) + 1, its);
  return `emergency, ${its} of 100 are turned away: its next connection is ${isIn ? 'let in' : 'turned away'}, ${known}`;
}
