/**
 * Keeps up which DNS lists can be believed. RFC 5782 5: a list of addresses lists 127.0.0.2 and not 127.0.0.1, one of names
 * lists `test` and not `invalid`. A list that fails this, or whose answers to real questions make no sense, is not asked
 * until it passes again; the operator hears of both.
 *
 * Silence is no nonsense: it stays a temporary error. But a dead list must not make every client wait for it: after some
 * questions in a row that nobody answered it is called silent, its questions fail at once, and it is probed until it answers.
 * Only what kept somebody waiting counts: what our own limits cut short says nothing of the list.
 */
import { nonsenseIn, type AnswerCode } from '../../core/list-answers.ts';
import type { DnsPort, ZoneHealthPort } from '../../core/ports.ts';

export interface ListZone {
  readonly zone: string;
  /** In place of the zone where people read it: the zone's name may hold an access key. */
  readonly shownAs: string;
  readonly lists: 'addresses' | 'names';
  readonly refusals: readonly AnswerCode[];
  /** False for a list of one's own that has no test points: a suspension then ends at the next round, untested. */
  readonly selfTest: boolean;
}

export type ZoneEvent =
  | { readonly kind: 'suspended'; readonly zone: string; readonly reason: string }
  | { readonly kind: 'silent'; readonly zone: string; readonly reason: string }
  | { readonly kind: 'resumed' | 'answers'; readonly zone: string };

export interface ZoneHealthOptions {
  readonly dns: DnsPort;
  readonly zones: readonly ListZone[];
  readonly onEvent: (event: ZoneEvent) => void;
  readonly intervalMs?: number;
  readonly deadlineMs?: number;
  /** Calls again and again; the result ends it. */
  readonly every?: (ms: number, run: () => void) => () => void;
  readonly nowMs?: () => number;
}

const INTERVAL_MS = 30 * 60_000;
const DEADLINE_MS = 20_000;
// One lost question is none: DNS goes over UDP.
const SILENT_AFTER = 5;
// An error that came sooner has kept nobody waiting.
const WAITED_MS = 250;
const PROBE_EVERY_MS = 30_000;

const TEST_POINTS = {
  addresses: { listed: '2.0.0.127', notListed: '1.0.0.127', written: ['127.0.0.2', '127.0.0.1'] },
  names: { listed: 'test', notListed: 'invalid', written: ['test', 'invalid'] },
} as const;

export class ZoneHealth implements ZoneHealthPort {
  readonly #options: ZoneHealthOptions;
  readonly #zones = new Map<string, ListZone>();
  readonly #suspended = new Map<string, string>();
  /** Questions in a row that were not answered, of zones that have any. */
  readonly #unanswered = new Map<string, number>();
  /** With what ends the probing. */
  readonly #silent = new Map<string, () => void>();
  #stop: (() => void) | undefined;
  #stopping = new AbortController();

  constructor(options: ZoneHealthOptions) {
    this.#options = options;
    for (const zone of options.zones) this.#zones.set(zone.zone, zone);
  }

  /** Tests all zones now and from time to time; resolves after the first round. */
  async start(): Promise<void> {
    this.stop();
    this.#stopping = new AbortController();
    const every = this.#options.every ?? unreferencedInterval;
    this.#stop = every(this.#options.intervalMs ?? INTERVAL_MS, () => void this.testAll());
    await this.testAll();
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
    for (const stopProbing of this.#silent.values()) stopProbing();
    this.#silent.clear();
    this.#unanswered.clear();
    this.#stopping.abort();
  }

  suspended(zone: string): string | undefined {
    return this.#suspended.get(zone);
  }

  /** For zones of the configuration alone, which also bounds what is kept. */
  suspend(zone: string, reason: string): void {
    const known = this.#zones.get(zone);
    if (known === undefined) return;
    const before = this.#suspended.get(zone);
    this.#suspended.set(zone, reason);
    // Every question in flight finds the same nonsense; the operator is told once.
    if (before === undefined) this.#options.onEvent({ kind: 'suspended', zone: known.shownAs, reason });
  }

  silent(zone: string): string | undefined {
    return this.#silent.has(zone) ? 'it has been silent for a while' : undefined;
  }

  asking(zone: string): (answered: boolean) => void {
    const { nowMs = () => performance.now() } = this.#options;
    const beganMs = nowMs();
    return (answered) => {
      if (answered) this.#answered(zone);
      else if (nowMs() - beganMs >= WAITED_MS) this.#wentUnanswered(zone);
    };
  }

  #wentUnanswered(zone: string): void {
    const known = this.#zones.get(zone);
    if (known === undefined || this.#silent.has(zone) || this.#stopping.signal.aborted) return;
    const count = (this.#unanswered.get(zone) ?? 0) + 1;
    this.#unanswered.set(zone, count);
    if (count < SILENT_AFTER) return;
    const reason = `${count} questions in a row were not answered; it is not waited for until it answers a probe`;
    const every = this.#options.every ?? unreferencedInterval;
    this.#silent.set(
      zone,
      every(PROBE_EVERY_MS, () => void this.#probe(known)),
    );
    this.#options.onEvent({ kind: 'silent', zone: known.shownAs, reason });
  }

  #answered(zone: string): void {
    this.#unanswered.delete(zone);
    const stopProbing = this.#silent.get(zone);
    if (stopProbing === undefined) return;
    stopProbing();
    this.#silent.delete(zone);
    this.#options.onEvent({ kind: 'answers', zone: this.#zones.get(zone)?.shownAs ?? zone });
  }

  /** Any answer will do: what it is worth is the self-test's business. */
  async #probe({ zone, lists }: ListZone): Promise<void> {
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(PROBE_EVERY_MS)]);
    const { kind } = await this.#options.dns.resolve(`${TEST_POINTS[lists].listed}.${zone}`, 'A', signal);
    if (kind !== 'timeout' && kind !== 'servfail') this.#answered(zone);
  }

  /** For the dashboard: every zone under the name that may be shown. */
  state(): readonly { readonly zone: string; readonly suspended?: string; readonly silent?: string }[] {
    return [...this.#zones.values()].map(({ zone, shownAs }) => {
      const suspended = this.#suspended.get(zone);
      const silent = this.silent(zone);
      return {
        zone: shownAs,
        ...(suspended === undefined ? {} : { suspended }),
        ...(silent === undefined ? {} : { silent }),
      };
    });
  }

  async testAll(): Promise<void> {
    await Promise.all([...this.#zones.values()].map((zone) => this.#test(zone)));
  }

  async #test(zone: ListZone): Promise<void> {
    const outcome = zone.selfTest ? await this.#selfTest(zone) : { kind: 'passed' as const };
    if (this.#stopping.signal.aborted) return;
    if (outcome.kind === 'failed') this.suspend(zone.zone, outcome.reason);
    if (outcome.kind === 'passed' && this.#suspended.delete(zone.zone)) {
      this.#options.onEvent({ kind: 'resumed', zone: zone.shownAs });
    }
  }

  async #selfTest(zone: ListZone): Promise<Outcome> {
    const points = TEST_POINTS[zone.lists];
    const signal = AbortSignal.any([
      this.#stopping.signal,
      AbortSignal.timeout(this.#options.deadlineMs ?? DEADLINE_MS),
    ]);
    const ask = (label: string) => this.#options.dns.resolve(`${label}.${zone.zone}`, 'A', signal);
    const [listed, notListed] = await Promise.all([ask(points.listed), ask(points.notListed)]);
    for (const answer of [listed, notListed]) {
      const nonsense = answer.kind === 'found' ? nonsenseIn(answer.records, zone.refusals) : undefined;
      if (nonsense !== undefined) return { kind: 'failed', reason: nonsense };
    }
    if (notListed.kind === 'found') {
      return { kind: 'failed', reason: `lists ${points.written[1]}, so it lists everything (RFC 5782)` };
    }
    if (listed.kind === 'nxdomain' || listed.kind === 'no-data') {
      return { kind: 'failed', reason: `does not list its test point ${points.written[0]} (RFC 5782)` };
    }
    // Half an answer proves nothing.
    return listed.kind === 'found' && (notListed.kind === 'nxdomain' || notListed.kind === 'no-data')
      ? { kind: 'passed' }
      : { kind: 'unanswered' };
  }
}

type Outcome =
  { readonly kind: 'passed' | 'unanswered' } | { readonly kind: 'failed'; readonly reason: string };

function unreferencedInterval(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms).unref();
  return () => clearInterval(timer);
}
