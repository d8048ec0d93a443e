/** The milter and the policy service over loopback in a world of fakes; their clock can be put forward. */
import { Spools } from '../../src/adapters/spool.ts';
import { recipients } from '../../src/checks/recipients.ts';
import { Milter } from '../../src/doors/milter/milter.ts';
import type { MilterSettings, MilterWorld } from '../../src/doors/milter/world.ts';
import { PolicyService } from '../../src/doors/policy/policy.ts';
import type { PolicySettings } from '../../src/doors/policy/world.ts';
import type { Endpoint, Listener } from '../../src/doors/listener.ts';
import type { IncomingContent } from '../../src/doors/session.ts';
import { newId } from '../../src/engine/id.ts';
import { Mta, type MtaOptions } from '../milter.ts';
import { PolicyClient } from '../policy.ts';
import { onEnd, type Cleanup } from '../program.ts';
import { fakeBooks, fakeJudge, type FakeBooks, type FakeJudge, type FakeJudgeOptions } from './judge.ts';

export interface FakeServiceOptions extends FakeJudgeOptions {
  readonly limits?: Partial<MilterSettings['limits']>;
  readonly incoming?: () => IncomingContent;
  readonly at?: Endpoint;
  /** Of the policy service: messages that are asked about at one time. */
  readonly visits?: number;
  readonly knock?: MilterWorld['knock'];
}

interface Served<S> extends Pick<FakeBooks, 'decisions' | 'troubles' | 'decided'> {
  readonly address: Listener['address'];
  readonly standings: FakeJudge['standings'];
  /** Puts the door's clock forward. */
  later(ms: number): void;
  /** The next sessions find these settings. */
  reload(settings: Partial<S>): void;
  /** The same, as `fakeJudge` makes them. */
  rejudge(options: FakeJudgeOptions): void;
}

export interface FakeMilter extends Served<MilterSettings> {
  readonly milter: Milter;
  connect(options?: Partial<MtaOptions>): Promise<Mta>;
}

export interface FakePolicy extends Served<PolicySettings> {
  readonly service: PolicyService;
  connect(): Promise<PolicyClient>;
}

const LIMITS: MilterSettings['limits'] = {
  messageOctets: 1_000_000,
  headerOctets: 100_000,
  connections: 2_000,
  drainTimeoutMs: 2_000,
};

const LOOPBACK: Endpoint = { host: '127.0.0.1', port: 0 };

export async function startMilter(t: Cleanup, options: FakeServiceOptions = {}): Promise<FakeMilter> {
  const { world, served } = around('milter', options);
  const milter = new Milter({ ...world, ...(options.knock === undefined ? {} : { knock: options.knock }) });
  onEnd(t, () => {
    served.reload({ limits: { ...world.settings().limits, drainTimeoutMs: 20 } });
    return milter.stop();
  });
  const [address] = await milter.listenOn([options.at ?? LOOPBACK]);
  const { host, port } = address ?? { host: '', port: 0 };
  const at = port === 0 ? { path: host } : { port };
  return {
    ...served,
    address: { host, port },
    milter,
    connect: (given) => Mta.connect({ at, ...given }, t),
  };
}

export async function startPolicy(t: Cleanup, options: FakeServiceOptions = {}): Promise<FakePolicy> {
  const { world, served } = around('policy', options);
  const service = new PolicyService(world, options.visits);
  onEnd(t, () => {
    served.reload({ limits: { ...world.settings().limits, drainTimeoutMs: 20 } });
    return service.stop();
  });
  const [address] = await service.listenOn([options.at ?? LOOPBACK]);
  const { host, port } = address ?? { host: '', port: 0 };
  const at = port === 0 ? { path: host } : { port };
  return { ...served, address: { host, port }, service, connect: () => PolicyClient.connect(at, t) };
}

function around(door: 'milter' | 'policy', options: FakeServiceOptions) {
  const books = fakeBooks();
  const spools = new Spools({
    directory: '/nonexistent/postern',
    memoryBoundOctets: 1_048_576,
    maxMemoryOctets: 8_388_608,
  });
  const judge = fakeJudge({ checks: [[recipients]], ...options });
  let settings: MilterSettings = { ...judge.at(door), limits: { ...LIMITS, ...options.limits } };
  let aheadMs = 0;
  const world = {
    settings: () => settings,
    incoming: options.incoming ?? (() => spools.create()),
    record: books.record,
    trouble: books.trouble,
    nowMs: () => Date.now() + aheadMs,
    newId,
  };
  const served = {
    decisions: books.decisions,
    troubles: books.troubles,
    decided: books.decided,
    standings: judge.standings,
    later: (ms: number) => void (aheadMs += ms),
    reload: (changes: Partial<MilterSettings>) => void (settings = { ...settings, ...changes }),
    rejudge: (other: FakeJudgeOptions) => void (settings = { ...settings, ...fakeJudge(other).at(door) }),
  };
  return { world, served };
}
