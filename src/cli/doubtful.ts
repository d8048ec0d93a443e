/** What the file may say and nobody can want: the gate would do as it is told, and harm itself or others. Nothing is asked or changed. */
import { hostname, networkInterfaces } from 'node:os';
import { hasPlaceholder } from '../adapters/backends/maildir-path.ts';
import { backendsOf } from '../config/backends.ts';
import type { Config } from '../config/config.ts';
import type { KeyPath } from '../config/locate.ts';
import { isOurDomain } from '../core/site.ts';
import type { Slices } from '../core/slices.ts';
import { mailboxKey } from '../mail/mailbox.ts';
import type { NetworkSet } from '../mail/networks.ts';

/** `path`: the key to blame. */
export interface Doubt {
  readonly path: KeyPath;
  readonly text: string;
}

export function* doubtsOf(config: Config): Slices<readonly Doubt[]> {
  return [
    ...tooWide(config),
    ...openRelay(config),
    ...loops(config),
    ...oneMaildir(config),
    ...crossed(config),
    ...(yield* ofRecipients(config)),
  ];
}

// Unrelated owners all over both address spaces: who names half of these means everybody, in one entry or in several.
const STRANGERS: readonly (readonly string[])[] = [
  ['1.1.1.1', '8.8.8.8', '52.0.0.1', '96.0.0.1', '129.0.0.1', '151.0.0.1', '198.41.0.4', '217.0.0.1'],
  ['2001:500::1', '2400::1', '2600::1', '2a00::1'],
];

function isEverybody(networks: NetworkSet): boolean {
  return STRANGERS.some((some) => 2 * some.filter((one) => networks.has(one)).length >= some.length);
}

function tooWide({ site, listen }: Config): Doubt[] {
  const doubts: Doubt[] = [];
  if (isEverybody(site.networks))
    doubts.push({
      path: ['networks'],
      text: 'holds all the world: everybody may relay and nobody is filtered (an open relay); name your own networks alone',
    });
  if (isEverybody(site.relays))
    doubts.push({
      path: ['relays'],
      text: 'holds all the world, so nobody is filtered; name the hosts that forward to you',
    });
  for (const { index, proxyProtocolFrom } of listen) {
    if (isEverybody(proxyProtocolFrom))
      doubts.push({
        path: ['listen', index, 'proxy_protocol_from'],
        text: 'holds all the world: everybody may say to come from any address, one of your networks too; name the proxy alone',
      });
  }
  return doubts;
}

function openRelay({ checks }: Config): Doubt[] {
  const settings = checks.find(({ check }) => check.name === 'relay')?.settings;
  const action = settings?.actions['denied'] ?? settings?.on_fail;
  if (action === undefined || action === 'refuse' || action === 'defer') return [];
  const key = settings?.actions['denied'] === undefined ? ['on_fail'] : ['actions', 'denied'];
  return [
    {
      path: ['checks', 'relay', ...key],
      text: `"${action}" makes an open relay: strangers send to anywhere through you; take the line out, and give networks or [auth] to those who may`,
    },
  ];
}

/** Mail that goes out by the door by which it came. Names other than our own are not looked up. */
function loops(config: Config): Doubt[] {
  const ours = new Set(
    Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []),
  );
  return backendsOf(config).flatMap(([path, { url }]) => {
    if (url.kind !== 'smtp' && url.kind !== 'lmtp') return [];
    const { host, port } = url;
    const isLoopback = host === 'localhost' || host.startsWith('127.') || host === '::1';
    const isOurs =
      isLoopback || ours.has(host) || host === config.site.hostName || host === hostname().toLowerCase();
    const isName = !host.includes(':') && !/^[\d.]+$/.test(host);
    const at = config.listen.find((listener) => {
      if (listener.port !== port) return false;
      // A listener on `[::]` takes IPv6 alone.
      if (listener.address === '0.0.0.0') return isOurs && !host.includes(':');
      if (listener.address === '::') return isOurs && (isName || host.includes(':'));
      return (
        listener.address === host ||
        (host === 'localhost' && (listener.address === '127.0.0.1' || listener.address === '::1'))
      );
    });
    return at === undefined
      ? []
      : [
          {
            path,
            text: `is this gate's own listen[${at.index + 1}]: mail would go in circles; give the mail server another port, such as 2526`,
          },
        ];
  });
}

function oneMaildir(config: Config): Doubt[] {
  const { checks, listEntries } = config;
  const knownOnly = checks.some(
    ({ check, settings }) => check.name === 'recipient-list' && settings['known_only'] === true,
  );
  let listed = 0;
  // More than one is enough to know.
  if (knownOnly) listEntries.some(({ kind }) => kind === 'mailbox' && ++listed > 1);
  if (knownOnly && listed <= 1) return [];
  return backendsOf(config).flatMap(([path, { url }]) =>
    url.kind !== 'maildir' || url.path.includes('{user}')
      ? []
      : [
          {
            path,
            text: `has no {user}, so mail to whatever name ${hasPlaceholder(url.path) ? 'of a domain ' : ''}lies in one Maildir; write maildir:${url.path}/{user}/Maildir for a mailbox each`,
          },
        ],
  );
}

/** What is to come second and comes first. */
function crossed({ load, limits, lineOf }: Config): Doubt[] {
  const marks = [
    ['load_average', load.loadAverage],
    ['event_loop_delay', load.eventLoopDelayMs],
    ['memory', load.memoryPercent],
    ['sessions', load.sessionsPercent],
  ] as const;
  const doubts: Doubt[] = marks.flatMap(([name, { deferAt, refuseAt }]) => {
    if (refuseAt === 0 || deferAt <= refuseAt) return [];
    const [first, second] = [`defer_at_${name}`, `refuse_at_${name}`];
    const path = ['load', lineOf(['load', first]) === undefined ? second : first];
    return [
      {
        path,
        text: `defer_at_${name} is above refuse_at_${name}, so connections are refused before mail is deferred; make it the smaller one`,
      },
    ];
  });
  if (limits.connectionsPerClient > limits.connections) {
    const isSaid = lineOf(['limits', 'connections_per_client']) !== undefined;
    doubts.push({
      path: ['limits', isSaid ? 'connections_per_client' : 'connections'],
      text: `connections_per_client (${limits.connectionsPerClient}) is more than connections (${limits.connections}), so one client can take them all; make it the smaller one`,
    });
  }
  return doubts;
}

// As long as the reading of a list file takes for one.
const SLICE = 4096;

/** Who is known as a recipient, and who is a trap. */
function* ofRecipients({ site, checks, listEntries }: Config): Slices<Doubt[]> {
  const settings = checks.find(({ check }) => check.name === 'spam-trap')?.settings['addresses'];
  const traps = Array.isArray(settings) ? (settings as readonly string[]) : [];
  const trapAt = new Map(traps.map((trap, i) => [trap.replace(/^@/, ''), i]));
  const [unknown, both, foreign] = [new Several(), new Several(), new Several()];
  let seen = 0;
  for (const { kind, recipient, source } of listEntries) {
    if (++seen % SLICE === 0) yield;
    if (kind !== 'mailbox' || recipient === undefined) continue;
    const at = recipient.lastIndexOf('@');
    const domain = recipient.slice(at + 1);
    if (!isOurDomain(site, domain)) unknown.add(['recipient_files'], `${recipient} (${source})`);
    const own = at === -1 ? undefined : trapAt.get(mailboxKey({ local: recipient.slice(0, at), domain }));
    const i = own ?? trapAt.get(domain);
    if (i !== undefined) both.add(trapPath(i), `${recipient} (${source})`);
  }
  for (const [i, trap] of traps.entries()) {
    if (!isOurDomain(site, trap.slice(trap.lastIndexOf('@') + 1))) foreign.add(trapPath(i), trap);
  }
  return [
    ...unknown.doubts('not in domains, so strangers may not write there; add the domain, or take it out'),
    ...both.doubts('in recipient_files and yet a trap: who writes there is convicted; take it out of one'),
    ...foreign.doubts(
      'a trap that is not in domains, where nobody gets further than "no relaying"; add the domain',
    ),
  ];
}

const trapPath = (index: number): KeyPath => ['checks', 'spam-trap', 'addresses', index];

/** Many of a kind are told by the first and their number. */
class Several {
  #first: { readonly path: KeyPath; readonly name: string } | undefined;
  #count = 0;

  add(path: KeyPath, name: string): void {
    this.#first ??= { path, name };
    this.#count++;
  }

  doubts(what: string): Doubt[] {
    if (this.#first === undefined) return [];
    const { path, name } = this.#first;
    return [{ path, text: `${name}${this.#count === 1 ? '' : ` and ${this.#count - 1} more`}: ${what}` }];
  }
}
