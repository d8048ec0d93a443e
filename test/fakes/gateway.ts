/** The gateway door over loopback in a world of fakes: what it decided and what troubled it is kept, its clock can be put forward. */
import { Spools } from '../../src/adapters/spool.ts';
import { earlyTalker } from '../../src/checks/early-talker.ts';
import { pipelining } from '../../src/checks/pipelining.ts';
import { recipients } from '../../src/checks/recipients.ts';
import { relay } from '../../src/checks/relay.ts';
import type { Decision } from '../../src/core/decision.ts';
import type { Backend } from '../../src/core/delivery.ts';
import { Gateway } from '../../src/doors/gateway/gateway.ts';
import type { LoadChange, LoadMarks, MachineLoad } from '../../src/doors/load.ts';
import type { IncomingContent } from '../../src/doors/session.ts';
import type { GatewayListener, GatewaySettings, GatewayWorld } from '../../src/doors/gateway/world.ts';
import { newId } from '../../src/engine/id.ts';
import type { Mailbox } from '../../src/mail/mailbox.ts';
import { networkSet } from '../../src/mail/networks.ts';
import type { ServerLimits } from '../../src/wire/smtp/events.ts';
import { DEFAULT_LIMITS } from '../../src/wire/smtp/limits.ts';
import { onEnd, type Cleanup } from '../program.ts';
import { connectSmtp, type SmtpPeer } from '../smtp.ts';
import { site } from './ask.ts';
import { FakeBackend } from './backend.ts';
import { fakeBooks, fakeJudge, type FakeJudgeOptions } from './judge.ts';

export interface FakeWorldOptions extends FakeJudgeOptions {
  readonly backend?: FakeBackend;
  readonly backendFor?: (recipient: Mailbox) => Backend;
  readonly limits?: Partial<GatewaySettings['limits']>;
  readonly protocolLimits?: Partial<ServerLimits>;
  readonly greetPauseMs?: number;
  readonly lenient?: GatewaySettings['lenient'];
  readonly secureContext?: GatewayWorld['secureContext'];
  readonly incoming?: () => IncomingContent;
  readonly passwords?: Readonly<Record<string, string>>;
  readonly verifyCredentials?: GatewayWorld['verifyCredentials'];
  readonly listener?: Partial<GatewayListener>;
  /** What the machine says of itself; without it nothing. */
  readonly machine?: () => MachineLoad;
  readonly load?: LoadMarks;
}

export interface FakeWorld {
  readonly gateway: Gateway;
  readonly backend: FakeBackend;
  readonly port: number;
  readonly decisions: Decision[];
  readonly troubles: { readonly what: string; readonly error: unknown }[];
  readonly loadChanges: LoadChange[];
  /** Good deliveries and charges by client network, as the gate noted them. */
  readonly standings: Map<string, { good: number; bad: number }>;
  /** Resolves once `count` decisions are there. */
  decided(count: number): Promise<readonly Decision[]>;
  /** Puts the gateway's clock forward. */
  later(ms: number): void;
  /** The next connections find these settings. */
  reload(settings: Partial<GatewaySettings>): void;
  connect(localAddress?: string): Promise<SmtpPeer>;
}

export const DEFAULT_CHECKS: FakeWorldOptions['checks'] = [
  [relay],
  [earlyTalker],
  [pipelining],
  [recipients],
];

/** With `0.0.0.0` instead of `127.0.0.1` where the listener is to be a wildcard. */
export function listenerOf(changes: Partial<GatewayListener> = {}): GatewayListener {
  return { host: '127.0.0.1', port: 0, proxyProtocolFrom: networkSet([]), tls: 'none', ...changes };
}

export async function startGateway(t: Cleanup, options: FakeWorldOptions = {}): Promise<FakeWorld> {
  const backend = options.backend ?? new FakeBackend();
  const books = fakeBooks();
  const loadChanges: LoadChange[] = [];
  let aheadMs = 0;
  const spools = new Spools({
    directory: '/nonexistent/postern',
    memoryBoundOctets: 1_048_576,
    maxMemoryOctets: 8_388_608,
  });
  const proxies = options.listener?.proxyProtocolFrom ?? networkSet([]);
  const judge = fakeJudge({ ...options, checks: options.checks ?? DEFAULT_CHECKS ?? [] }, proxies);
  let settings: GatewaySettings = {
    ...judge.at('gateway'),
    backendFor: options.backendFor ?? (() => backend),
    offer: { hostName: site.hostName, sizeOctets: 1_000_000, auth: ['PLAIN', 'LOGIN'] },
    limits: {
      connections: 1000,
      connectionsPerClient: 100,
      connectionsPerMinute: 1000,
      reservedForGood: 10,
      stressAt: 80,
      greetingTimeoutMs: 5_000,
      stressTimeoutMs: 10_000,
      sessionTimeMs: 3_600_000,
      transactions: 50,
      drainTimeoutMs: 5_000,
      ...options.limits,
    },
    load: options.load,
    protocolLimits: { ...DEFAULT_LIMITS, messageOctets: 1_000_000, ...options.protocolLimits },
    greetPauseMs: options.greetPauseMs ?? 0,
    lenient: options.lenient ?? [],
  };
  const world: GatewayWorld = {
    settings: () => settings,
    secureContext: options.secureContext ?? (() => undefined),
    incoming: options.incoming ?? (() => spools.create()),
    verifyCredentials:
      options.verifyCredentials ??
      (async (identity, password) => (options.passwords?.[identity] === password ? 'ok' : 'wrong')),
    record: books.record,
    ...(options.machine === undefined ? {} : { load: options.machine }),
    onLoad: (change) => void loadChanges.push(change),
    trouble: books.trouble,
    nowMs: () => Date.now() + aheadMs,
    newId,
  };
  const gateway = new Gateway(world);
  onEnd(t, () => {
    settings = { ...settings, limits: { ...settings.limits, drainTimeoutMs: 20 } };
    return gateway.stop();
  });
  const [bound] = await gateway.listenOn([listenerOf(options.listener)]);
  const port = bound?.port ?? 0;
  return {
    gateway,
    backend,
    port,
    decisions: books.decisions,
    troubles: books.troubles,
    loadChanges,
    standings: judge.standings,
    decided: books.decided,
    later: (ms) => {
      aheadMs += ms;
    },
    reload: (changes) => {
      settings = { ...settings, ...changes };
    },
    connect: (localAddress) =>
      connectSmtp({ port, timeoutMs: 8_000, ...(localAddress === undefined ? {} : { localAddress }) }, t),
  };
}

/** As far as the first recipient, with the reply to it. */
export async function upToRcpt(peer: SmtpPeer, to = 'user@example.org', from = 'sender@example.net') {
  await peer.reply();
  await peer.say('EHLO client.example.net');
  await peer.say(`MAIL FROM:<${from}>`);
  return peer.say(`RCPT TO:<${to}>`);
}
