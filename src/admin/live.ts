/**
 * What happens, as it happens: Server-Sent Events. One look at the journal a second for all who listen, and none while nobody does. A
 * flood is shown as the newest of it. Who reads too slowly is cut off, and its browser comes again.
 */
import type { ServerResponse } from 'node:http';
import { isSpeaking } from '../core/status.ts';
import type { DecisionLine, LiveGate, Now } from './api.ts';
import { decisionLines } from './decision-lines.ts';
import { toJson } from './route.ts';
import type { AdminWorld } from './world.ts';

export const MAX_LISTENERS = 50;
/** Decisions of one look. */
export const MAX_LINES = 100;
const LOOK_EVERY_MS = 1_000;
const GATE_EVERY_LOOKS = 2;
const HEARTBEAT_EVERY_LOOKS = 15;
/** Octets that a listener may be behind. */
export const MAX_BEHIND = 1_048_576;

interface Listener {
  readonly to: ServerResponse;
  /** Whether its login is still good. */
  readonly isIn: () => boolean;
}

export class Live {
  readonly #world: AdminWorld;
  readonly #listeners = new Set<Listener>();
  #timer: NodeJS.Timeout | undefined;
  #last: number | undefined;
  #looks = 0;
  #looking = false;

  constructor(world: AdminWorld) {
    this.#world = world;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  get isFull(): boolean {
    return this.#listeners.size >= MAX_LISTENERS;
  }

  /** `to` is a stream of events from here on. */
  listen(to: ServerResponse, isIn: () => boolean): void {
    const listener = { to, isIn };
    this.#listeners.add(listener);
    to.on('close', () => this.#leave(listener));
    // A peer that resets the connection: `close` follows.
    to.on('error', () => undefined);
    to.write(`retry: 3000\n\n${eventText('gate', liveGate(this.#world))}`);
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS).unref();
    // Where the journal stands now: what is recorded from here on is shown.
    void this.#look();
  }

  close(): void {
    for (const listener of [...this.#listeners]) {
      this.#leave(listener);
      listener.to.end();
    }
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    // Whoever comes next sees what happens from then on.
    this.#last = undefined;
  }

  async #look(): Promise<void> {
    // The journal is slow now: the next look is soon enough.
    if (this.#looking) return;
    this.#looking = true;
    this.#looks += 1;
    try {
      for (const { to, isIn } of [...this.#listeners]) if (!isIn()) to.end();
      if (this.#looks % HEARTBEAT_EVERY_LOOKS === 0) this.#tell(': still here\n\n');
      if (this.#looks % GATE_EVERY_LOOKS === 0) this.#tell(eventText('gate', liveGate(this.#world)));
      const lines = await this.#newLines();
      if (lines.length > 0) this.#tell(eventText('decisions', lines));
    } catch (error) {
      this.#world.trouble('the live page', error);
    } finally {
      this.#looking = false;
    }
  }

  async #newLines(): Promise<readonly DecisionLine[]> {
    const { journal } = this.#world;
    const newest = await journal.newest();
    const last = this.#last;
    this.#last = newest;
    if (last === undefined || newest <= last) return [];
    // A flood: what is left out is found on the page of decisions.
    const after = Math.max(last, newest - MAX_LINES);
    const { decisions } = await journal.page({ after, limit: MAX_LINES });
    return decisionLines(this.#world, decisions);
  }

  #tell(text: string): void {
    for (const { to } of [...this.#listeners]) {
      if (to.writableLength > MAX_BEHIND) to.destroy();
      else to.write(text);
    }
  }
}

const eventText = (event: 'decisions' | 'gate', data: unknown): string =>
  `event: ${event}\ndata: ${toJson(data)}\n\n`;

function liveGate(world: AdminWorld): LiveGate {
  const { desk } = world;
  return { ...gateNow(world), openReports: desk.reports.open(), queue: desk.queue.last() };
}

/** What the gate has said last, while it is still true. */
export function gateNow({ gates, nowMs }: AdminWorld): {
  readonly gate: Now['gate'];
  readonly dependencies: Now['dependencies'];
} {
  const [said] = gates().filter((gate) => isSpeaking(gate, nowMs()));
  if (said === undefined) return { gate: undefined, dependencies: [] };
  const { metrics, dependencies, ...gate } = said;
  return { gate, dependencies };
}
