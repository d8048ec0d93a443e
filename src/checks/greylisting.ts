/**
 * What the two greylisting checks have in common: their settings, by what a client is known, who is spared, and what the
 * greylist's answer comes to. No check itself. Greylisting defers what is new and takes it when it comes again (RFC 6647): mail servers have a
 * queue and do, most of what sends spam from other people's computers does not, and what does may stand on a block list by then.
 */
import { z } from 'zod';
import { after } from '../core/after.ts';
import type { Again } from '../core/check.ts';
import type { Clues } from '../core/clues.ts';
import type { Finding } from '../core/finding.ts';
import type { GreylistState, Ports, Soon } from '../core/ports.ts';
import { count, duration, flag } from '../core/settings.ts';
import { clientNetwork, type Site } from '../core/site.ts';
import { standingKind, type ClientStanding } from '../core/standing.ts';
import { isDomainName, organizationalDomain } from '../mail/domain.ts';
import { formatNetwork, networkAround, parseIp, parseNetwork } from '../mail/ip.ts';
import { networkSet, type NetworkSet } from '../mail/networks.ts';
import { ruleFor } from './generic-rdns.ts';
import { BROKEN_SERVERS } from './greylist.broken.ts';

export const MODES = ['suspicion', 'classic', 'seed-only'] as const;

const MAX_BROKEN = 1000;

export const greylistingSettings = {
  mode: z.enum(MODES).default('suspicion').meta({
    description:
      '`suspicion` defers what is new from clients that other checks cast doubt on, `classic` from all, `seed-only` learns and defers nobody.',
  }),
  greylist_at: z
    .number()
    .min(0)
    .max(1000)
    .default(2)
    .meta({ description: 'The sum of weights that casts doubt on a client.', bounds: '0 to 1000' }),
  delay: duration('3m', '1m', '2h', 'How long what is new has to wait.'),
  retry_window: duration('2d', '4h', '14d', 'How long after its first attempt it may come again.'),
  kept: duration('36d', '1d', '400d', 'How long after its last use it stays known.'),
  client_passes: count(
    5,
    0,
    1000,
    'Passes, one an hour counted, by which a client becomes known for all recipients; 0: never.',
  ),
  client_prefix_v4: count(
    24,
    8,
    32,
    'Leading bits of an IPv4 address that are one client where no domain vouches for it.',
  ),
  client_prefix_v6: count(64, 32, 128, 'The same for IPv6.'),
  shipped_list: flag(true, 'Whether the servers of the list that comes with the program are spared.'),
  broken_servers: z
    .array(z.string().toLowerCase().refine(isServer, 'wants a domain name, an address or a network'))
    .max(MAX_BROKEN)
    .prefault([])
    .meta({
      description: 'Servers that are spared: domains that vouch for them, or networks.',
      example: '["airline.example", "192.0.2.0/24"]',
      default: '[]',
    }),
};

export type GreylistingSettings = {
  readonly [K in keyof typeof greylistingSettings]: z.output<(typeof greylistingSettings)[K]>;
};

interface Servers {
  readonly domains: ReadonlySet<string>;
  readonly networks: NetworkSet;
}

// Settings are plain values, and a thousand servers are too many to be read through for each client.
const serversOfList = new WeakMap<readonly string[], Servers>();

function serversOf(list: readonly string[]): Servers {
  let servers = serversOfList.get(list);
  if (servers === undefined) {
    const domains = new Set(list.filter((text) => !isNetwork(text)));
    servers = { domains, networks: networkSet(list.filter(isNetwork)) };
    serversOfList.set(list, servers);
  }
  return servers;
}

function isNetwork(text: string): boolean {
  return parseNetwork(text).kind === 'network';
}

function isServer(text: string): boolean {
  return isNetwork(text) || (isDomainName(text) && /[^0-9./]/.test(text));
}

export interface GreylistingEvidence {
  readonly client: Client;
  /** What the rungs below had come to. */
  readonly suspicion: number;
  /** Asked only in doubt. */
  readonly standing?: ClientStanding;
  /** By recipient; none where nothing was asked. */
  readonly states: readonly GreylistState[];
}

/** Who the client is to the greylist, and why. */
interface Client {
  readonly key: string;
  readonly by: 'spf' | 'fcrdns' | 'network';
  /** Whose SPF record permits it. */
  readonly spf?: string;
  /** Its confirmed name, unless that is one of a pool. */
  readonly name?: string;
}

/**
 * A domain that vouches for the client, so that one with many addresses is one client; else the network around it.
 * A provider's pool name says whose line it is, not who writes: a customer is known by its network, also where the
 * provider's own SPF record permits all its customers.
 */
export function clientOf(address: string, clues: Clues, settings: GreylistingSettings): Client {
  const confirmed = vouched(clues, 'fcrdns');
  const generic = clues.found('generic-rdns');
  // Where that check is off its rules hold here all the same: else all lines of a provider would be one client.
  const isPool =
    generic.length > 0
      ? generic.some(({ result }) => result === 'fail')
      : confirmed !== undefined && ruleFor(confirmed, address)?.kind === 'generic';
  const permitted = vouched(clues, 'spf');
  const isPoolOfSender =
    isPool &&
    permitted !== undefined &&
    confirmed !== undefined &&
    organizationalDomain(permitted) === organizationalDomain(confirmed);
  const spf = isPoolOfSender ? undefined : permitted;
  const name = isPool ? undefined : confirmed;
  const said = { ...(spf === undefined ? {} : { spf }), ...(name === undefined ? {} : { name }) };
  if (spf !== undefined) return { key: organizationalDomain(spf), by: 'spf', ...said };
  if (name !== undefined) return { key: organizationalDomain(name), by: 'fcrdns', ...said };
  return { key: networkOf(address, settings), by: 'network', ...said };
}

function vouched(clues: Clues, check: string): string | undefined {
  return clues
    .found(check)
    .find(({ result, domain }) => result === 'pass' && domain !== undefined)
    ?.domain?.toLowerCase();
}

function networkOf(
  address: string,
  { client_prefix_v4, client_prefix_v6 }: Pick<GreylistingSettings, 'client_prefix_v4' | 'client_prefix_v6'>,
): string {
  const ip = parseIp(address);
  if (ip === undefined) return address;
  return formatNetwork(networkAround(ip, ip.family === 4 ? client_prefix_v4 : client_prefix_v6));
}

export interface Question {
  readonly address: string;
  readonly sessionSinceMs: number;
  /** Normalised. */
  readonly sender: string;
  /** Normalised. */
  readonly recipients: readonly string[];
}

/** Asks no more than it needs: nothing about those who are spared, their conduct only of those in doubt. */
export function askGreylist(
  { address, sessionSinceMs, sender, recipients }: Question,
  ports: Pick<Ports, 'greylist' | 'standing'>,
  settings: GreylistingSettings,
  site: Site,
  clues: Clues,
): Soon<GreylistingEvidence> {
  const client = clientOf(address, clues, settings);
  const unasked = { client, suspicion: clues.suspicion, states: [] };
  if (spared(address, unasked, settings) !== undefined) return unasked;
  const attempt = (known: Omit<GreylistingEvidence, 'states'>): Soon<GreylistingEvidence> => {
    const asked = recipients.map((recipient) =>
      ports.greylist.attempt({
        client: client.key,
        sender,
        recipient,
        delayMs: settings.delay,
        retryWindowMs: settings.retry_window,
        keptMs: settings.kept,
        clientPasses: settings.client_passes,
        seedOnly: settings.mode === 'seed-only',
        sessionSinceMs,
      }),
    );
    return after(allOf(asked), (states) => ({ ...known, states }));
  };
  if (settings.mode !== 'suspicion') return attempt(unasked);
  return after(ports.standing.of(clientNetwork(site, address)), (standing) => {
    const known = { ...unasked, standing };
    return spared(address, known, settings) === undefined ? attempt(known) : known;
  });
}

/** What other settings would make of it (see `Check.again`). Their suspicion is another one, and so is who is in doubt. */
export function askedAgain(
  address: string,
  evidence: GreylistingEvidence,
  settings: GreylistingSettings,
  { suspicion }: Clues,
): Again<GreylistingEvidence> {
  const { client, states } = evidence;
  const now = { ...evidence, suspicion };
  if (spared(address, { client, suspicion }, settings) !== undefined) return { evidence: now };
  // Their conduct is asked of those in doubt alone.
  if (settings.mode === 'suspicion') {
    if (evidence.standing === undefined) return { unasked: true };
    if (spared(address, now, settings) !== undefined) return { evidence: now };
  }
  // With another delay it would have been told otherwise; what only learns lets pass what would have had to wait.
  const isTold = (state: GreylistState): boolean =>
    settings.mode === 'seed-only' ||
    (state.kind === 'passed'
      ? state.sinceFirstMs >= settings.delay
      : state.kind !== 'early' || state.sameSession === true || state.sinceFirstMs < settings.delay);
  return states.length > 0 && states.every(isTold) ? { evidence: now } : { unasked: true };
}

/** Of the embedded store all answers are there at once. */
function allOf<T>(soon: readonly Soon<T>[]): Soon<readonly T[]> {
  const there = soon.filter((one): one is Awaited<T> & Soon<T> => !(one instanceof Promise));
  return there.length === soon.length ? there : Promise.all(soon);
}

/** Findings that both checks make, with their meaning. */
export const greylistingCodes = {
  new: 'Never seen, or not within the retry window: it has to come again.',
  early: 'It came again too soon, or on the connection of its first attempt.',
  passed: 'It came again in time, and is known from now on.',
  known: 'It was known.',
  'client-known': 'So much of this client has passed that it is known for all recipients.',
  learnt: 'It is noted, and nobody is deferred (`mode = "seed-only"`).',
  'not-doubted': 'No check cast doubt on the client.',
  'good-standing': 'There is doubt, but the client has long been sending good mail.',
  exempt: 'It is one of the servers that are spared.',
  'not-asked': 'The greylist was not asked about it; another configuration was in force.',
};

export function judgeGreylist(
  address: string,
  evidence: GreylistingEvidence,
  settings: GreylistingSettings,
): readonly Finding[] {
  const reason = spared(address, evidence, settings);
  if (reason !== undefined) return [reason];
  const { client, states } = evidence;
  const shown = clipped(client.key);
  if (settings.mode === 'seed-only') {
    const text = `what ${shown} sends is noted, and nobody is deferred`;
    // Nothing was proven: no pass.
    return [{ result: 'none', code: 'learnt', text }];
  }
  const state = slowest(states);
  switch (state?.kind) {
    case undefined:
      return [{ result: 'none', code: 'not-asked', text: `the greylist was not asked about ${shown}` }];
    case 'new': {
      const text = `greylisted, for ${shown} has not brought mail of this sender to this recipient yet; try again in ${spell(state.waitMs)}`;
      return [{ result: 'fail', code: 'new', text, enhanced: ENHANCED }];
    }
    case 'early': {
      const when =
        state.sameSession === true
          ? `tries again on the connection of its first attempt; try again in ${spell(state.waitMs)}, on another`
          : `is back too soon; try again in ${spell(state.waitMs)}`;
      const text = `greylisted, and ${shown} ${when}`;
      return [{ result: 'fail', code: 'early', text, enhanced: ENHANCED }];
    }
    case 'passed': {
      const text = `${shown} came again after ${spell(state.sinceFirstMs)}`;
      return [{ result: 'pass', code: 'passed', text }];
    }
    case 'known':
      return [{ result: 'pass', code: 'known', text: `${shown} has brought mail of this sender before` }];
    case 'client-known':
      return [{ result: 'pass', code: 'client-known', text: `${shown} is known for all recipients` }];
    default:
      return state satisfies never;
  }
}

// RFC 3463 3.8: X.7.1, refused by policy. X.2.0 would speak of the mailbox, which is in order.
const ENHANCED = '5.7.1';

/** Why it is nobody to be asked about, or undefined. Judging comes to the same as asking did, under the same settings. */
function spared(
  address: string,
  { client, suspicion, standing }: Omit<GreylistingEvidence, 'states'>,
  settings: GreylistingSettings,
): Finding | undefined {
  const broken = brokenServer(address, client, settings);
  if (broken !== undefined) return { result: 'none', code: 'exempt', text: broken };
  if (settings.mode !== 'suspicion') return undefined;
  if (suspicion < settings.greylist_at) {
    return { result: 'none', code: 'not-doubted', text: `nothing casts doubt on ${clipped(client.key)}` };
  }
  if (standing !== undefined && standingKind(standing) === 'good') {
    return { result: 'none', code: 'good-standing', text: `${address} has long been sending good mail` };
  }
  return undefined;
}

const SHIPPED: ReadonlyMap<string, string> = new Map(
  BROKEN_SERVERS.map(({ domain, reason }) => [domain, reason]),
);

function brokenServer(
  address: string,
  { spf, name }: Client,
  { broken_servers, shipped_list }: GreylistingSettings,
): string | undefined {
  const own = serversOf(broken_servers);
  if (own.networks.has(address)) return `${address} is spared by broken_servers`;
  for (const vouching of [spf, name]) {
    if (vouching === undefined) continue;
    for (let domain = vouching; domain !== ''; domain = parentOf(domain)) {
      if (own.domains.has(domain)) return `${clipped(domain)} is spared by broken_servers`;
      const reason = shipped_list ? SHIPPED.get(domain) : undefined;
      if (reason !== undefined) return `${domain} is spared, because it ${reason}`;
    }
  }
  return undefined;
}

const parentOf = (domain: string): string => {
  const dot = domain.indexOf('.');
  return dot === -1 ? '' : domain.slice(dot + 1);
};

/** Of several recipients that share one answer the one that has to wait longest decides; or else the one that passed just now. */
function slowest(states: readonly GreylistState[]): GreylistState | undefined {
  const waiting = states.filter((s) => s.kind === 'new' || s.kind === 'early');
  const [first] = waiting.toSorted((a, b) => b.waitMs - a.waitMs);
  return first ?? states.find(({ kind }) => kind === 'passed') ?? states[0];
}

/** `3 minutes`, rounded up: who comes a second before the time has come for nothing. */
export function spell(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  if (seconds < 120) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 300 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
}

const MAX_SHOWN = 80;

/** The key is a name out of DNS or what the sender wrote. The end of a name is what its owner registered. */
function clipped(key: string): string {
  const clean = key.replace(/[^\x21-\x7e]/g, '?');
  return clean.length > MAX_SHOWN ? `...${clean.slice(-MAX_SHOWN)}` : clean;
}
