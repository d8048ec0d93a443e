/**
 * What the gate counts for `/metrics` (O7). A decision is added to plain numbers, some tenths of a microsecond a check; only who asks
 * for a snapshot has them put into prom-client's form. It runs in the dialogue's own thread, and so does nothing else.
 */
import type { Decision, DecisionOutcome } from '../core/decision.ts';
import { OUTCOMES } from '../core/decision.ts';
import type { Result } from '../core/finding.ts';
import { COSTS, STAGES, type Cost, type Stage } from '../core/stage.ts';
import {
  metricJson,
  processReadings,
  readingsJson,
  type MetricJson,
  type MetricName,
  type MetricValue,
  type Reading,
} from './metrics-table.ts';

/** Upper ends in seconds: memory and store, a near and a far resolver, and what people call slow. */
const CHECK_BUCKETS = [0.001, 0.01, 0.1, 1, 10] as const;
const TRANSACTION_BUCKETS = [0.1, 1, 5, 15, 60, 300] as const;

const DOORS = ['gateway', 'milter', 'policy'] as const;
const RESULTS: readonly Result[] = ['pass', 'fail', 'temperror', 'none'];
/** Words of our own, said again and again; what comes beyond is a mistake of ours and shall not fill the memory. */
const MAX_REASONS = 20;
const REASONS = ['full', 'client', 'load', 'emergency', 'standing'];
/** A check that the ladder does not have, and decisions that no check made. */
const OTHER = 'other';
const NO_CHECK = 'none';

export interface MetricsOptions {
  readonly checks: readonly { readonly name: string; readonly cost: Cost }[];
  /** Looked at with each snapshot. */
  readonly readings?: () => readonly Reading[];
}

interface Histogram {
  /** By bucket, not added up; the last is for all beyond. */
  readonly counts: number[];
  sum: number;
}

interface CheckFigures extends Histogram {
  readonly name: string;
  readonly rung: Cost;
  /** 1 << its place among the rungs. */
  readonly rungBit: number;
  readonly found: Record<Result, number>;
  lookups: number;
  refused: number;
  deferred: number;
}

type ByOutcome = Record<DecisionOutcome, number>;

export class Metrics {
  readonly #options: MetricsOptions;
  readonly #checks = new Map<string, CheckFigures>();
  readonly #unknown = checkFigures(OTHER, 'memory');
  readonly #decisions: Record<(typeof DOORS)[number], ByOutcome> = {
    gateway: noOutcomes(),
    milter: noOutcomes(),
    policy: noOutcomes(),
  };
  readonly #recipients = noOutcomes();
  readonly #durations = Object.fromEntries(
    OUTCOMES.map((outcome) => [outcome, histogram(TRANSACTION_BUCKETS)]),
  ) as Record<DecisionOutcome, Histogram>;
  readonly #rungs = COSTS.map(() => 0);
  readonly #stages = STAGES.map(() => 0);
  readonly #turnedAway = new Map<string, number>(REASONS.map((reason) => [reason, 0]));
  #refusedByNone = 0;
  #deferredByNone = 0;
  #tagged = 0;
  #receivedOctets = 0;
  #deliveredOctets = 0;

  constructor(options: MetricsOptions) {
    this.#options = options;
    for (const { name, cost } of options.checks) this.#checks.set(name, checkFigures(name, cost));
  }

  decision(decision: Decision): void {
    const { outcome, steps, recipients, sizeOctets = 0 } = decision;
    this.#decisions[decision.session.door][outcome]++;
    observe(this.#durations[outcome], TRANSACTION_BUCKETS, decision.tookMs / 1000);
    for (let i = 0; i < recipients.length; i++) {
      const recipient = recipients[i];
      if (recipient !== undefined) this.#recipients[recipient.outcome]++;
    }
    this.#receivedOctets += sizeOctets;
    if (outcome === 'accepted' || outcome === 'relayed') {
      this.#deliveredOctets += sizeOctets;
      if (decision.tags !== undefined) this.#tagged++;
    } else if (outcome === 'refused' || outcome === 'deferred') this.#stopped(outcome, decision.check);
    let rungs = 0;
    let stages = 0;
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i];
      if (step === undefined) continue;
      const figures = this.#checks.get(step.check) ?? this.#unknown;
      const seconds = step.tookMs / 1000;
      observe(figures, CHECK_BUCKETS, seconds);
      rungs |= figures.rungBit;
      stages |= STAGE_BIT[step.stage];
      if (step.lookups !== undefined) figures.lookups += step.lookups;
      for (let j = 0; j < step.findings.length; j++) {
        const finding = step.findings[j];
        if (finding !== undefined) figures.found[finding.result]++;
      }
    }
    addBits(this.#rungs, rungs);
    addBits(this.#stages, stages);
  }

  turnedAway(reason: string, connections: number): void {
    const known = this.#turnedAway.has(reason) || this.#turnedAway.size < MAX_REASONS;
    const key = known ? reason : OTHER;
    this.#turnedAway.set(key, (this.#turnedAway.get(key) ?? 0) + connections);
  }

  #stopped(outcome: 'refused' | 'deferred', check: string | undefined): void {
    if (check !== undefined) (this.#checks.get(check) ?? this.#unknown)[outcome]++;
    else if (outcome === 'refused') this.#refusedByNone++;
    else this.#deferredByNone++;
  }

  /** All that the gate process knows, for `GateStatus.metrics`. */
  snapshot(): readonly MetricJson[] {
    const checks = [...this.#checks.values(), this.#unknown];
    const asked = checks.filter(({ counts }) => counts.some((count) => count > 0));
    const one = (name: MetricName, value: number) => metricJson(name, [{ labels: {}, value }]);
    return [
      metricJson(
        'postern_decisions_total',
        DOORS.flatMap((door) =>
          OUTCOMES.map((outcome) => ({ labels: { door, outcome }, value: this.#decisions[door][outcome] })),
        ),
      ),
      metricJson(
        'postern_recipients_total',
        OUTCOMES.map((outcome) => ({ labels: { outcome }, value: this.#recipients[outcome] })),
      ),
      // Zeros too: the first refusal by a check shall be seen as an increase.
      metricJson('postern_refusals_total', [
        ...checks.map(({ name: check, refused: value }) => ({ labels: { check }, value })),
        { labels: { check: NO_CHECK }, value: this.#refusedByNone },
      ]),
      metricJson('postern_deferrals_total', [
        ...checks.map(({ name: check, deferred: value }) => ({ labels: { check }, value })),
        { labels: { check: NO_CHECK }, value: this.#deferredByNone },
      ]),
      one('postern_tagged_total', this.#tagged),
      one('postern_received_bytes_total', this.#receivedOctets),
      one('postern_delivered_bytes_total', this.#deliveredOctets),
      metricJson(
        'postern_findings_total',
        asked.flatMap(({ name: check, found }) =>
          RESULTS.map((result) => ({ labels: { check, result }, value: found[result] })),
        ),
      ),
      metricJson(
        'postern_dns_lookups_total',
        asked
          .filter(({ lookups }) => lookups > 0)
          .map(({ name: check, lookups: value }) => ({ labels: { check }, value })),
      ),
      metricJson(
        'postern_check_duration_seconds',
        asked.flatMap((figures) =>
          histogramValues('postern_check_duration_seconds', { check: figures.name }, figures, CHECK_BUCKETS),
        ),
      ),
      ...this.#rungMetrics(checks),
      metricJson(
        'postern_stage_reached_total',
        STAGES.map((stage, i) => ({ labels: { stage }, value: this.#stages[i] ?? 0 })),
      ),
      metricJson(
        'postern_transaction_duration_seconds',
        OUTCOMES.flatMap((outcome) =>
          histogramValues(
            'postern_transaction_duration_seconds',
            { outcome },
            this.#durations[outcome],
            TRANSACTION_BUCKETS,
          ),
        ),
      ),
      metricJson(
        'postern_turned_away_total',
        [...this.#turnedAway].map(([reason, value]) => ({ labels: { reason }, value })),
      ),
      ...readingsJson([...processReadings('gate'), ...(this.#options.readings?.() ?? [])]),
    ];
  }

  #rungMetrics(checks: readonly CheckFigures[]): readonly MetricJson[] {
    const ofRung = (rung: Cost, figure: (figures: CheckFigures) => number) =>
      checks.reduce((sum, figures) => (figures.rung === rung ? sum + figure(figures) : sum), 0);
    return [
      metricJson(
        'postern_rung_reached_total',
        COSTS.map((rung, i) => ({ labels: { rung }, value: this.#rungs[i] ?? 0 })),
      ),
      metricJson(
        'postern_rung_stopped_total',
        COSTS.map((rung) => ({
          labels: { rung },
          value: ofRung(rung, ({ refused, deferred }) => refused + deferred),
        })),
      ),
      metricJson(
        'postern_rung_seconds_total',
        COSTS.map((rung) => ({ labels: { rung }, value: ofRung(rung, ({ sum }) => sum) })),
      ),
    ];
  }
}

const STAGE_BIT = Object.fromEntries(STAGES.map((stage, i) => [stage, 1 << i])) as Readonly<
  Record<Stage, number>
>;

function noOutcomes(): ByOutcome {
  return { accepted: 0, relayed: 0, refused: 0, deferred: 0, abandoned: 0 };
}

function histogram(buckets: readonly number[]): Histogram {
  return { counts: Array.from({ length: buckets.length + 1 }, () => 0), sum: 0 };
}

function checkFigures(name: string, rung: Cost): CheckFigures {
  return {
    ...histogram(CHECK_BUCKETS),
    name,
    rung,
    rungBit: 1 << COSTS.indexOf(rung),
    found: { pass: 0, fail: 0, temperror: 0, none: 0 },
    lookups: 0,
    refused: 0,
    deferred: 0,
  };
}

function observe(figures: Histogram, buckets: readonly number[], seconds: number): void {
  let i = 0;
  while (i < buckets.length && seconds > (buckets[i] ?? 0)) i++;
  figures.counts[i] = (figures.counts[i] ?? 0) + 1;
  figures.sum += seconds;
}

function addBits(counts: number[], bits: number): void {
  for (let i = 0; bits >> i > 0; i++) if ((bits >> i) & 1) counts[i] = (counts[i] ?? 0) + 1;
}

/** Prometheus adds buckets up: each holds all that took at most so long. */
function histogramValues(
  name: MetricName,
  labels: Readonly<Record<string, string>>,
  { counts, sum }: Histogram,
  buckets: readonly number[],
): MetricValue[] {
  let count = 0;
  const values: MetricValue[] = counts.map((own, i) => {
    count += own;
    const le = buckets[i];
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: le === undefined ? '+Inf' : String(le) },
      value: count,
    };
  });
  return [
    ...values,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
