/**
 * What-if for the dashboard (O4): jobs that judge recorded decisions again under a configuration that somebody has typed. They run in the
 * dashboard's own process, a few milliseconds at a time, so that its other pages are served meanwhile.
 *
 * The text is a user's and not the operator's: of the files that it names only those are read that the file in force names under the same
 * key, since a problem in a file quotes what stands there; and of the secrets that were hidden from the user none is put back, for
 * problems quote the text as well.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { filesNamedIn, loadingText, type Loaded } from '../config/load.ts';
import { withStandIns } from '../config/secrets.ts';
import type { Config } from '../config/config.ts';
import { formatProblem } from '../config/problems.ts';
import type { AnyCheck } from '../core/check.ts';
import type { Decision, Journal } from '../core/decision.ts';
import type { Desk } from '../core/desk.ts';
import type { Listed } from '../core/listed.ts';
import { buildingLists } from '../core/lists.ts';
import type { Policy } from '../core/policy.ts';
import { differenceOf, Differences, pagesOf, type DifferenceKind } from '../engine/differences.ts';
import { newId } from '../engine/id.ts';
import { inSlices } from '../engine/in-slices.ts';
import { rulesOf } from '../engine/what-if.ts';
import type { DifferenceLine, WhatIf } from './api.ts';
import { lineOf } from './decision-line.ts';
import type { WhatIfDesk } from './world.ts';

type Door = Decision['session']['door'];

export interface WhatIfWorld {
  /** In force. */
  readonly config: () => Pick<Config, 'file' | 'text'>;
  readonly checks: readonly AnyCheck[];
  readonly journal: Pick<Journal, 'page' | 'newest' | 'summary'>;
  readonly desk: Pick<Desk, 'marks' | 'reports'>;
  /** Entries that people keep beside the configuration. */
  readonly listed: () => readonly Listed[];
  readonly policyOf: (config: Config, door: Door) => Policy;
  readonly deciderOf: (decision: Decision) => string | undefined;
  readonly nowMs: () => number;
  readonly trouble: (what: string, error: unknown) => void;
}

/** Each takes a good part of a processor. */
const MAX_RUNNING = 2;
/** After its end. */
const KEPT_MS = 30 * 60_000;
const MAX_KEPT = 20;
/** Whoever started it looks at it each second or so; a page that was closed does not. */
const ABANDONED_MS = 2 * 60_000;
/** Of each kind. */
const SHOWN = 100;
/** What is wrong with a text. */
const MAX_PROBLEMS = 100;
const MAX_PROBLEM = 2000;
/** Other requests wait for so long at most. */
const SLICE_MS = 8;

interface Job {
  state: WhatIf['state'];
  readonly problems: string[];
  looked: number;
  inAll: number;
  differences: Differences;
  /** Once it is done: decisions take some kilobytes each, and lines do not. */
  lines: Pick<WhatIf, 'newlyRefused' | 'newlyAccepted' | 'unknown'> | undefined;
  askedMs: number;
  endedMs: number | undefined;
  abandoned: boolean;
}

export class WhatIfJobs implements WhatIfDesk {
  readonly #world: WhatIfWorld;
  readonly #jobs = new Map<string, Job>();
  /** Those that were ended and are forgotten take their place until they have stopped. */
  #running = 0;

  constructor(world: WhatIfWorld) {
    this.#world = world;
  }

  /** Throws with the problem where too many run. */
  start({ config, sinceMs }: { readonly config: string; readonly sinceMs: number }): string {
    this.#tidy();
    if (this.#running >= MAX_RUNNING)
      throw new Error(`${MAX_RUNNING} comparisons are running already; wait for one of them, or stop it`);
    const id = newId();
    const job: Job = {
      state: 'running',
      problems: [],
      looked: 0,
      inAll: 0,
      differences: new Differences(SHOWN),
      lines: undefined,
      askedMs: this.#world.nowMs(),
      endedMs: undefined,
      abandoned: false,
    };
    this.#jobs.set(id, job);
    void this.#finish(job, config, sinceMs);
    return id;
  }

  find(id: string): WhatIf | undefined {
    this.#tidy();
    const job = this.#jobs.get(id);
    if (job === undefined) return undefined;
    job.askedMs = this.#world.nowMs();
    const { counts } = job.differences;
    return {
      state: job.state,
      looked: job.looked,
      inAll: Math.max(job.inAll, job.looked),
      problems: [...job.problems],
      ...(job.lines ?? this.#linesOf(job.differences)),
      counts: {
        same: counts.same,
        newlyRefused: counts['newly-refused'],
        newlyAccepted: counts['newly-accepted'],
        unknown: counts.unknown,
      },
    };
  }

  /** Ends it, and forgets it. */
  abandon(id: string): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    job.abandoned = true;
    this.#jobs.delete(id);
  }

  /** All of them: the dashboard stops. */
  close(): void {
    for (const id of [...this.#jobs.keys()]) this.abandon(id);
  }

  async #finish(job: Job, text: string, sinceMs: number): Promise<void> {
    this.#running++;
    try {
      await this.#run(job, text, sinceMs);
      job.state = job.problems.length > 0 ? 'failed' : 'done';
    } catch (error) {
      job.state = 'failed';
      if (error === STOPPED) job.problems.push('Stopped: nobody waited for it');
      else {
        job.problems.push('It could not be finished; the log of the dashboard says why');
        this.#world.trouble('a what-if', error);
      }
    } finally {
      this.#running--;
    }
    job.lines = this.#linesOf(job.differences);
    job.endedMs = this.#world.nowMs();
    // What is left of it is its lines and its counts.
    const { counts } = job.differences;
    job.differences = new Differences(0);
    Object.assign(job.differences.counts, counts);
  }

  async #run(job: Job, text: string, sinceMs: number): Promise<void> {
    const { config, checks, journal, listed, policyOf, nowMs } = this.#world;
    const { file, text: inForce } = config();
    const mayGoOn = () => {
      if (this.#isAbandoned(job)) throw STOPPED;
    };
    const loaded: Loaded = await inSlices(
      loadingText(withStandIns(text), file, checks, filesNamedIn(inForce, file)),
      mayGoOn,
    );
    if ('problems' in loaded) {
      const problems = loaded.problems.slice(0, MAX_PROBLEMS).map(formatProblem);
      job.problems.push(...problems.map((problem) => problem.slice(0, MAX_PROBLEM)));
      const more = loaded.problems.length - MAX_PROBLEMS;
      if (more > 0) job.problems.push(`and at least ${more} more`);
      return;
    }
    const next = loaded.config;
    const lists = await inSlices(buildingLists(next.listEntries), mayGoOn);
    const rules = rulesOf((door) => policyOf(next, door), lists, listed());
    const span = { sinceMs, untilMs: nowMs() };
    job.inAll = (await journal.summary(span)).received;
    let sinceTurnMs = performance.now();
    for await (const decisions of pagesOf(journal, span)) {
      for (const decision of decisions) {
        if (performance.now() - sinceTurnMs > SLICE_MS) {
          await turn();
          sinceTurnMs = performance.now();
        }
        mayGoOn();
        // The desk of this moment: a reload may have put another in its place.
        const difference = await differenceOf(decision, rules, this.#world.desk);
        job.looked++;
        if (difference !== undefined) job.differences.add(difference);
      }
    }
  }

  #isAbandoned(job: Job): boolean {
    return job.abandoned || this.#world.nowMs() - job.askedMs > ABANDONED_MS;
  }

  #linesOf(differences: Differences): NonNullable<Job['lines']> {
    const lines = (kind: DifferenceKind): DifferenceLine[] =>
      differences.list(kind).map(({ decision, mark, reported, before, after }) => ({
        line: lineOf(decision, { mark, reported, decidedBy: this.#world.deciderOf(decision) }),
        before,
        after,
      }));
    return {
      newlyRefused: lines('newly-refused'),
      newlyAccepted: lines('newly-accepted'),
      unknown: lines('unknown'),
    };
  }

  #tidy(): void {
    const nowMs = this.#world.nowMs();
    for (const [id, { endedMs }] of this.#jobs)
      if (endedMs !== undefined && (nowMs - endedMs > KEPT_MS || this.#jobs.size > MAX_KEPT))
        this.#jobs.delete(id);
  }
}

const STOPPED = new Error('nobody waited for it');
