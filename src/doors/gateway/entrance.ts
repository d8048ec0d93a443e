/**
 * Who is let in. In calm weather connections are counted and no more (C5). When they grow scarce, under load (C6) or in an
 * emergency (C7), standing decides, and the store is asked for it once a connection: our own and clients in good standing keep
 * a reserve that nobody else can fill, those in bad standing go first. Whoever is turned away is noted, for it may well
 * come to another MX of ours next.
 */
import { after } from '../../core/after.ts';
import { TURNED_AWAY, TURNED_AWAY_KEPT_MS, turnedAwayKey } from '../../core/charges.ts';
import type { Soon } from '../../core/ports.ts';
import { replies } from '../../core/replies.ts';
import { clientNetwork } from '../../core/site.ts';
import { standingKind } from '../../core/standing.ts';
import type { Reply } from '../../mail/reply.ts';
import { Admission, reserved, type Place, type Rank } from '../admission.ts';
import { passes, turnedAwayOfBad } from '../emergency.ts';
import { LoadMonitor, NO_MARKS, type MachineLoad } from '../load.ts';
import type { Entry, Seat } from '../seat.ts';
import { TurnedAwayCounts, type TurnAwayReason } from '../turned-away.ts';
import type { ConnectionOpening } from './opening.ts';
import type { GatewaySettings, GatewayWorld } from './world.ts';

// A store that is slower than this has no say: its clients are unknown ones.
const STORE_MS = 500;
// After the last of them: senders that retry come back within hours (RFC 5321 4.5.4.1).
const ATTEMPTS_KEPT_MS = 2 * 86_400_000;
// Of a flood so many clients are noted between two calls of `forget`.
const MAX_NOTED = 100_000;
const HOUR_MS = 3_600_000;
/** Space of the store: how often a client network has knocked in an emergency. */
export const ATTEMPTS = 'emergency';

type Who = Pick<ConnectionOpening, 'client' | 'role'>;

/** What is known of one connection while it lasts. */
interface Guest {
  readonly settings: GatewaySettings;
  readonly opening: Who;
  readonly network: string;
  readonly place: Place;
  rank: Rank | undefined;
  /** Went on under load for its good standing. */
  favoured: boolean;
  left: boolean;
}

export class Entrance {
  readonly #world: GatewayWorld;
  readonly #admission = new Admission();
  readonly #load = new LoadMonitor();
  readonly #turnedAway = new TurnedAwayCounts();
  readonly #noted = new Set<string>();
  readonly #troubles = new Set<string>();
  #favoured = 0;

  constructor(world: GatewayWorld) {
    this.#world = world;
  }

  get open(): number {
    return this.#admission.open;
  }

  /** Time-outs are short now. */
  get stressed(): boolean {
    return this.#load.level !== 'calm' || this.#admission.stressed(this.#world.settings().limits);
  }

  /** Once a second. */
  look(): void {
    const { limits, load = NO_MARKS } = this.#world.settings();
    const sessionsPercent = (this.#admission.open * 100) / limits.connections;
    const sample = { ...(this.#world.load?.() ?? IDLE), sessionsPercent };
    const change = this.#load.look(sample, load, this.#world.nowMs());
    if (change !== undefined) this.#world.onLoad?.(change);
  }

  /** Once a minute. */
  forget(): void {
    this.#admission.forgetIdle(this.#world.nowMs());
    this.#noted.clear();
    this.#troubles.clear();
    this.tellTurnedAway();
  }

  /** The operator, of whom was turned away since the last time. */
  tellTurnedAway(): void {
    const counts = this.#turnedAway.take();
    if (counts.length > 0) this.#world.onTurnedAway?.(counts);
  }

  /** Counted from here on, until it leaves; also while the store is being asked. */
  knock(opening: ConnectionOpening): Soon<Entry> {
    const settings = this.#world.settings();
    const { limits, policy } = settings;
    const network = clientNetwork(policy.site, opening.client.address);
    const place = this.#admission.admit(network, limits, this.#world.nowMs());
    if (place.kind !== 'welcome') {
      const reason = place.kind === 'full' ? 'full' : 'client';
      return this.#turnAway({ settings, opening, network }, reason);
    }
    return this.#enter({ settings, opening, network, place, rank: undefined, favoured: false, left: false });
  }

  /** A client of an MTA, which counts its connections itself: load and emergency hold for it all the same. */
  knockAtMta(opening: Who): Soon<Entry> {
    const settings = this.#world.settings();
    const network = clientNetwork(settings.policy.site, opening.client.address);
    const place: Place = { kind: 'welcome', release: () => undefined };
    return this.#enter({ settings, opening, network, place, rank: undefined, favoured: false, left: false });
  }

  #enter(guest: Guest): Soon<Entry> {
    const { settings } = guest;
    const isCalm = !this.#isScarce(guest) && emergencyShare(settings) === 0;
    return isCalm ? this.#seat(guest) : after(this.#rankOf(guest), () => this.#select(guest));
  }

  #isScarce({ settings: { limits } }: Guest): boolean {
    return (
      this.#load.level !== 'calm' || this.#admission.stressed(limits) || this.#admission.inReserve(limits)
    );
  }

  #select(guest: Guest): Soon<Entry> {
    if (this.#load.level === 'refuse' && !this.#favours(guest)) return this.#dismiss(guest, 'load');
    const { rank, settings } = guest;
    if (rank === 'ours' || rank === 'good') return this.#seat(guest);
    // Nobody has business at a honeypot, so it is the first to have no room; but an emergency is when its convictions help.
    const isHoneypot = guest.opening.role === 'honeypot';
    const last = rank === 'bad' || isHoneypot;
    if (this.#admission.inReserve(settings.limits)) return this.#dismiss(guest, 'full');
    if (last && this.#isScarce(guest)) {
      const scarcity = this.#load.level === 'calm' ? 'full' : 'load';
      return this.#dismiss(guest, rank === 'bad' ? 'standing' : scarcity);
    }
    const share = emergencyShare(settings);
    if (share === 0 || isHoneypot) return this.#seat(guest);
    const [its, reason] =
      rank === 'bad' ? ([turnedAwayOfBad(share), 'standing'] as const) : ([share, 'emergency'] as const);
    return after(this.#attempt(guest), (attempt) =>
      passes(guest.network, attempt, its) ? this.#seat(guest) : this.#dismiss(guest, reason),
    );
  }

  /** Under load the good go on as long as they are few: no more at a time than the reserve has places. */
  #favours(guest: Guest): boolean {
    if (guest.favoured) return true;
    if (guest.left) return false; // while the store was being asked
    if (guest.rank !== 'good' && guest.rank !== 'ours') return false;
    if (this.#favoured >= reserved(guest.settings.limits)) return false;
    guest.favoured = true;
    this.#favoured++;
    return true;
  }

  #seat(guest: Guest): Seat {
    return {
      kind: 'seat',
      leave: () => this.#leave(guest),
      takesMail: (exempt) => this.#load.level === 'calm' || this.#takesMail(guest, exempt),
    };
  }

  #takesMail(guest: Guest, exempt: () => boolean): Soon<boolean> {
    if (exempt()) return true;
    return after(this.#rankOf(guest), () => {
      if (this.#favours(guest)) return true;
      this.#load.deferred++;
      return false;
    });
  }

  #dismiss(guest: Guest, reason: TurnAwayReason): Entry {
    this.#leave(guest);
    return this.#turnAway(guest, reason);
  }

  #leave(guest: Guest): void {
    guest.left = true;
    guest.place.release();
    if (guest.favoured) this.#favoured--;
  }

  #turnAway(who: Pick<Guest, 'settings' | 'opening' | 'network'>, reason: TurnAwayReason): Entry {
    this.#load.turnedAway++;
    this.#turnedAway.add(reason, who.network);
    this.#note(who);
    return { kind: 'turned-away', reply: replyTo(who, reason) };
  }

  /**
   * Only a honeypot asks for it. Once a minute for each client at the most: a flood must not cost a write for every
   * connection. Who was let in, the session notes.
   */
  #note({ settings, opening, network }: Pick<Guest, 'settings' | 'opening' | 'network'>): void {
    // At the honeypot itself it is no excuse: the client was there already.
    if (settings.policy.site.honeypot !== true || opening.role === 'honeypot') return;
    if (this.#noted.has(network) || this.#noted.size >= MAX_NOTED) return;
    this.#noted.add(network);
    // Nobody waits for it, and it never rejects.
    const key = turnedAwayKey(opening.client.address, this.#world.nowMs());
    void this.#fromStore(() => settings.ports.rates.add(TURNED_AWAY, key, TURNED_AWAY_KEPT_MS), 0);
  }

  /** Found out once, when it matters for the first time. */
  #rankOf(guest: Guest): Soon<Rank> {
    if (guest.rank !== undefined) return guest.rank;
    const { settings, opening, network } = guest;
    const rank = isOurs(settings, opening.client.address)
      ? 'ours'
      : this.#fromStore<Rank>(
          () => after(settings.ports.standing.of(network), (standing) => standingKind(standing)),
          'unknown',
        );
    return after(rank, (known) => (guest.rank = known));
  }

  /** Which one of its attempts it is. Not among the rates: there a flood would crowd out what else is counted. */
  #attempt({ settings, network }: Guest): Soon<number> {
    const { store } = settings.ports;
    // Without the store turns go by the hour: less fair, but nobody is shut out for good.
    const byTheHour = Math.floor(this.#world.nowMs() / HOUR_MS);
    return this.#fromStore(
      () =>
        after(store.recall(ATTEMPTS, network), (before) => {
          const attempt = (typeof before === 'number' ? before : 0) + 1;
          return after(store.remember(ATTEMPTS, network, attempt, ATTEMPTS_KEPT_MS), () => attempt);
        }),
      byTheHour,
    );
  }

  /** The store's answer, or another where it has none in time. Never rejects: a connection that is counted stays owned. */
  #fromStore<T>(ask: () => Soon<T>, otherwise: T): Soon<T> {
    const failed = (error: unknown): T => {
      this.#trouble(error);
      return otherwise;
    };
    let answer: Soon<T>;
    try {
      answer = ask();
    } catch (error) {
      return failed(error);
    }
    if (!(answer instanceof Promise)) return answer;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${STORE_MS} ms`)), STORE_MS);
    });
    return Promise.race([answer, late])
      .catch(failed)
      .finally(() => clearTimeout(timer));
  }

  /** The same trouble once a minute: it may come with every connection of a flood. */
  #trouble(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#troubles.has(reason) || this.#troubles.size >= MAX_TROUBLES) return;
    this.#troubles.add(reason);
    this.#world.trouble('the store had no say at the door', error);
  }
}

function replyTo({ settings, opening }: Pick<Guest, 'settings' | 'opening'>, reason: TurnAwayReason): Reply {
  const { contact } = settings.policy.site;
  switch (reason) {
    case 'full':
      return replies.tooManyConnections();
    case 'client':
      return replies.tooManyFromYou(opening.client.address);
    case 'load':
      return replies.tooBusy();
    case 'emergency':
      return replies.onlySomeUnknown(contact);
    case 'standing':
      return replies.badStanding(opening.client.address, contact);
    default:
      return reason satisfies never;
  }
}

const MAX_TROUBLES = 10;
const IDLE: MachineLoad = { loadAverage: 0, eventLoopDelayMs: 0, memoryPercent: 0 };

const emergencyShare = ({ emergency }: GatewaySettings): number => emergency?.turnAwayPercent ?? 0;

/**
 * Networks and relays of ours, and clients that the operator's lists let in whatever they do. An entry that names a host counts for
 * nothing here: its name is asked for in DNS, and at the door there is no time for that.
 */
export function isOurs(
  { policy: { site }, ports: { lists } }: Pick<GatewaySettings, 'policy' | 'ports'>,
  address: string,
): boolean {
  return (
    site.networks.has(address) ||
    site.relays.has(address) ||
    lists.find({ client: address }).some((entry) => entry.kind === 'allow' && entry.lifts === undefined)
  );
}
