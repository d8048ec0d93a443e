/**
 * Samples the queue, tells of alerts and sends the daily summary, as the configuration in force says at any moment. What is to be told is
 * written down first (`desk.notices`), so that neither a restart nor a mail server that is down loses it or tells it twice. Where it cannot
 * be written down, as on a full disk, it is told all the same, and written down when it can be.
 */
import type { Config } from '../../config/config.ts';
import type { QueueAlertConfig, QueueWatchConfig } from '../../config/admin.ts';
import type { Journal } from '../../core/decision.ts';
import type { Desk, QueueSample } from '../../core/desk.ts';
import type { Notice } from '../../core/notice.ts';
import type { GateStatus } from '../../core/status.ts';
import { horizonMs, nextState, QUIET, rebuiltState, settleMs, type AlertState } from './queue-alerts.ts';
import { dailySummary, dueSummary, isSummarySent, SUMMARY } from './summary.ts';
import { clearedText, firingText, quietText, settingText, waitingText } from './words.ts';

/** `AdminWorld` is one. */
export interface WatchWorld {
  readonly config: () => Config;
  readonly nowMs: () => number;
  readonly journal: Pick<Journal, 'summary' | 'effect'>;
  readonly desk: Pick<Desk, 'queue' | 'reports' | 'notices'>;
  /** Absent where nobody knows: nothing is said of them. */
  readonly gates?: () => readonly GateStatus[];
  readonly trouble: (what: string, error: unknown) => void;
}

/** Rejects with the reason in words. */
export type Sample = (watch: QueueWatchConfig, signal: AbortSignal) => Promise<Omit<QueueSample, 'atMs'>>;

/**
 * Tells everybody the configuration names, trying again for as long as it makes sense. Never rejects: its own trouble it says itself.
 * False where the signal ended it before all were told: it is to be tried again.
 */
export type Notify = (notice: Notice, signal: AbortSignal) => Promise<boolean>;

export interface WatchPorts {
  readonly sample: Sample;
  readonly notify: Notify;
  /** Real timers unless given. Returns what ends it. */
  readonly later?: (ms: number, act: () => void) => () => void;
}

export interface QueueAlertState {
  readonly text: string;
  readonly above: number;
  readonly firing: boolean;
}

/** What is being told, or has been. */
interface Telling {
  /** Undefined until it is written down. */
  id: number | undefined;
  readonly state: string;
  /** Absent: nothing is told of it, it stands there. */
  readonly notice?: Notice;
  isTold: boolean;
}

export interface Watch {
  /** All that are configured, for `/api/queue`. */
  alerts(): readonly QueueAlertState[];
  /** Those that are firing, in words, and that the queue cannot be read: `AdminWorld.alerts`. */
  firing(): readonly string[];
  /** What is under way is ended, and gone on with after the next start. */
  close(): Promise<void>;
}

export function startWatch(world: WatchWorld, ports: WatchPorts): Watch {
  return new RunningWatch(world, ports);
}

/** How often it is looked whether the summary is due, or whether a reload has switched the queue watch on. */
const LOOK_MS = 15_000;
/** So old, and it is no news: it is not told after a restart. */
const STALE_MS = 86_400_000;
/** The desk gives no more points at once, */
const MAX_HISTORY = 5000;
/** and what is two days old it keeps by the ten minutes. */
const WHOLE_MS = 1.9 * 86_400_000;
const THINNED_MS = 600_000;
/** Samples missing, as during a restart, before it is a break. */
const MISSED_AT_START = 4;

class RunningWatch implements Watch {
  readonly #world: WatchWorld;
  readonly #ports: Required<WatchPorts>;
  readonly #stop = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  readonly #states = new Map<string, AlertState>();
  #endSampling: () => void = () => undefined;
  #endLooking: () => void = () => undefined;
  readonly #sending = new Map<
    string,
    { readonly superseded: AbortController; readonly done: Promise<void> }
  >();
  /** The settings the states belong to. */
  #watched: QueueWatchConfig | undefined;
  #isSampling = false;
  #isSummarising = false;
  /** Why the queue could not be read the last time. */
  #unread: string | undefined;
  #writeFailed = false;
  /** Of each `about` the last that could not be written down. */
  readonly #unwritten = new Map<string, Telling>();

  constructor(world: WatchWorld, ports: WatchPorts) {
    this.#world = world;
    this.#ports = { later: realTimer, ...ports };
    this.#tellWaiting();
    // Not at once: the gate has not said yet how it is.
    this.#lookLater();
    this.#sampleSoon(0);
  }

  alerts(): readonly QueueAlertState[] {
    const { everyMs = 0 } = this.#world.config().admin.queueWatch ?? {};
    return this.#alertsOf().map(([alert, state]) => ({
      text: standingText(alert, state, everyMs),
      above: alert.above,
      firing: state.firing,
    }));
  }

  firing(): readonly string[] {
    const firing = this.alerts().filter((alert) => alert.firing);
    return [
      ...firing.map(({ text }) => text),
      ...(this.#unread === undefined ? [] : [`The queue cannot be read: ${this.#unread}`]),
    ];
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#endSampling();
    this.#endLooking();
    await Promise.all(this.#underWay);
    this.#writeDownAll();
  }

  #alertsOf(): [QueueAlertConfig, AlertState][] {
    const { queueWatch } = this.#world.config().admin;
    return (queueWatch?.alerts ?? []).map((alert) => [alert, this.#states.get(nameOf(alert)) ?? QUIET]);
  }

  #own(work: Promise<void>): void {
    const owned = work
      .catch((error: unknown) => this.#world.trouble('watching the queue', error))
      .finally(() => this.#underWay.delete(owned));
    this.#underWay.add(owned);
  }

  // --- the queue

  #sampleSoon(ms: number): void {
    if (this.#stop.signal.aborted) return;
    this.#endSampling = this.#ports.later(ms, () => {
      this.#isSampling = true;
      this.#own(
        this.#sampleOnce().finally(() => {
          this.#isSampling = false;
        }),
      );
    });
  }

  async #sampleOnce(): Promise<void> {
    const beganMs = this.#world.nowMs();
    const watch = this.#world.config().admin.queueWatch;
    if (watch === undefined) {
      this.#unread = undefined;
      this.#watched = undefined;
      this.#states.clear();
      this.#sampleSoon(LOOK_MS);
      return;
    }
    try {
      if (watch !== this.#watched) this.#rebuild(watch, beganMs);
      await this.#sampled(watch);
    } finally {
      const tookMs = Math.max(0, this.#world.nowMs() - beganMs);
      // One after the other: what takes longer than `every` is not asked twice at a time.
      this.#sampleSoon(Math.max(watch.everyMs - tookMs, Math.min(watch.everyMs, 1000)));
    }
  }

  async #sampled(watch: QueueWatchConfig): Promise<void> {
    let counted: Omit<QueueSample, 'atMs'>;
    try {
      counted = await this.#ports.sample(watch, this.#stop.signal);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      // Said once: it may stay like this for days.
      const why = error instanceof Error ? error.message : String(error);
      // Its words alone: where in our program it came up helps nobody.
      if (this.#unread === undefined) this.#world.trouble('reading the queue of the mail server', why);
      this.#unread = why;
      return;
    }
    this.#unread = undefined;
    const sample = { ...counted, atMs: this.#world.nowMs() };
    this.#keep(sample);
    for (const alert of watch.alerts) this.#judge(alert, watch.everyMs, sample);
  }

  /** A desk that cannot be written must not keep anybody from hearing of the queue. */
  #keep(sample: QueueSample): void {
    try {
      this.#world.desk.queue.add(sample);
      this.#writeFailed = false;
    } catch (error) {
      if (!this.#writeFailed) this.#world.trouble('writing down the length of the queue', error);
      this.#writeFailed = true;
    }
  }

  #rebuild(watch: QueueWatchConfig, nowMs: number): void {
    const { queue, notices } = this.#world.desk;
    this.#watched = watch;
    this.#states.clear();
    for (const alert of watch.alerts) {
      const spanMs = horizonMs(alert, watch.everyMs);
      // Twice as many parts as there can be samples, so that none hides behind a greater one.
      const points = Math.min(MAX_HISTORY, 2 * Math.ceil(spanMs / watch.everyMs) + 2);
      const apartMs = Math.max(watch.everyMs, spanMs / points, spanMs > WHOLE_MS ? THINNED_MS : 0);
      const history = queue.between(nowMs - spanMs, nowMs, points);
      const told = notices.standing(nameOf(alert));
      const toldSinceMs = told?.state === 'firing' ? told.atMs - alert.forMs : undefined;
      const state = rebuiltState(alert, watch.everyMs, history, toldSinceMs, MISSED_AT_START * apartMs);
      this.#states.set(nameOf(alert), state);
    }
  }

  #judge(alert: QueueAlertConfig, everyMs: number, sample: QueueSample): void {
    const about = nameOf(alert);
    const before = this.#states.get(about) ?? QUIET;
    const after = nextState(alert, everyMs, before, sample);
    this.#states.set(about, after);
    // At the first sample after a start it may be known already: `change` sees to that.
    if (!after.firing && !before.firing) return;
    const { hostName } = this.#world.config().site;
    const text = after.firing
      ? firingText(alert, sample, after.sinceMs)
      : clearedText(alert, sample, before.sinceMs);
    this.#tell({
      kind: 'alert',
      about,
      state: after.firing ? 'firing' : 'cleared',
      atMs: sample.atMs,
      subject: after.firing ? `[${hostName}] Queue: ${text}` : `[${hostName}] Queue: over: ${text}`,
      text: after.firing
        ? `${text}\n\nYou are told again when it is below ${alert.clearBelow} and stays there.\n`
        : `${text}\n`,
    });
  }

  // --- telling

  #tell(notice: Notice, state: string = notice.state): void {
    const { about } = notice;
    const telling = { id: undefined as number | undefined, state, notice, isTold: false };
    try {
      this.#writeDown(about);
      telling.id = this.#world.desk.notices.change(about, state, notice);
      if (telling.id === undefined) return;
    } catch (error) {
      if (this.#stoodAt(about) === state) return;
      this.#world.trouble('writing down a notice; it is sent all the same', error);
      this.#unwritten.set(about, telling);
    }
    this.#send(telling, notice);
  }

  /** Undefined where the desk cannot be read either. */
  #stoodAt(about: string): string | undefined {
    try {
      return this.#standing(about)?.state;
    } catch {
      return undefined;
    }
  }

  /** Where it stands, also where that could not be written down. */
  #standing(about: string): { readonly state: string } | undefined {
    return this.#unwritten.get(about) ?? this.#world.desk.notices.standing(about);
  }

  /** What could not be written down before. Throws where it cannot be now. */
  #writeDown(about: string): void {
    const telling = this.#unwritten.get(about);
    if (telling === undefined) return;
    const { notices } = this.#world.desk;
    telling.id ??= notices.change(about, telling.state, telling.notice);
    if (telling.isTold && telling.id !== undefined) notices.told(telling.id);
    this.#unwritten.delete(about);
  }

  #writeDownAll(): void {
    try {
      for (const about of [...this.#unwritten.keys()]) this.#writeDown(about);
    } catch {
      // It has been said; the next look tries again.
    }
  }

  #tellWaiting(): void {
    const { desk, nowMs, trouble } = this.#world;
    try {
      for (const kept of desk.notices.waiting()) {
        if (kept.notice.atMs < nowMs() - STALE_MS) {
          trouble(`a notice is too old to be sent: ${kept.notice.subject}`, undefined);
          desk.notices.told(kept.id);
        } else this.#send({ ...kept, isTold: false }, kept.notice);
      }
    } catch (error) {
      trouble('reading the notices that wait', error);
    }
  }

  /** What is newer takes the place of what is still being tried: nobody wants to hear that it fires after hearing that it is over. */
  #send(telling: Telling, notice: Notice): void {
    const before = this.#sending.get(notice.about);
    before?.superseded.abort();
    const superseded = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, superseded.signal]);
    const done = (before?.done ?? Promise.resolve()).then(async () => {
      if (signal.aborted || !(await this.#ports.notify(notice, signal))) return;
      telling.isTold = true;
      if (telling.id !== undefined) this.#world.desk.notices.told(telling.id);
    });
    const sending = { superseded, done: done.catch(() => undefined) };
    this.#sending.set(notice.about, sending);
    this.#own(
      done.finally(() => {
        if (this.#sending.get(notice.about) === sending) this.#sending.delete(notice.about);
      }),
    );
  }

  // --- the daily summary

  #lookLater(): void {
    this.#endLooking = this.#ports.later(LOOK_MS, () => {
      // A reload has come: it need not wait for the end of an hour.
      if (this.#world.config().admin.queueWatch !== this.#watched && !this.#isSampling) {
        this.#endSampling();
        this.#sampleSoon(0);
      }
      this.#writeDownAll();
      this.#own(this.#summaryIfDue());
      this.#lookLater();
    });
  }

  async #summaryIfDue(): Promise<void> {
    const daily = this.#world.config().admin.dailySummary;
    if (daily === undefined || this.#isSummarising) return;
    const { notices } = this.#world.desk;
    const nowMs = this.#world.nowMs();
    const due = dueSummary(nowMs, daily.atMinutes);
    const last = this.#standing(SUMMARY);
    if (last === undefined) {
      // The first one comes at the next time, not at once with a day of which little is known. It may have come since we began.
      const state = dueSummary(nowMs - LOOK_MS, daily.atMinutes).day;
      this.#unwritten.set(SUMMARY, { id: undefined, state, isTold: true });
      this.#writeDown(SUMMARY);
      return;
    }
    if (isSummarySent(last.state, due, nowMs, () => notices.since(due.untilMs))) return;
    this.#isSummarising = true;
    try {
      this.#tell(await dailySummary(this.#world, due), due.day);
    } finally {
      this.#isSummarising = false;
    }
  }
}

function standingText(alert: QueueAlertConfig, state: AlertState, everyMs: number): string {
  const { firing, last, sinceMs, aboveSinceMs } = state;
  if (!firing || last === undefined) return quietText(alert);
  if (aboveSinceMs !== undefined) return firingText(alert, last, sinceMs);
  // Less by a tenth is for timers that are early, and nothing to tell people.
  const settlesMs = Math.max(everyMs, settleMs(alert, everyMs));
  return waitingText(alert, last, { sinceMs, settlesMs });
}

/** The same alert has the same name after a restart; with other settings it is another one. */
const nameOf = ({ above, forMs, percentile, clearBelow }: QueueAlertConfig): string =>
  `queue above ${above} for ${settingText(forMs)}${percentile === undefined ? '' : ` at ${percentile} %`}, below ${clearBelow}`;

function realTimer(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms);
  return () => clearTimeout(timer);
}
