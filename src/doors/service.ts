/**
 * A door that serves MTAs, not the world: its listeners on TCP or Unix sockets, its connections with one limit for all of them, and
 * their end. Who may connect is for the address, or the socket's group and mode, to say.
 */
import { lstatSync } from 'node:fs';
import type { Socket } from 'node:net';
import { isSamePlace, letIn, listen, type Endpoint, type Listener } from './listener.ts';

// How often deadlines are looked at.
const TICK_MS = 1_000;
// What was cut at a stop has this long to put its last words down.
const LAST_WORDS_MS = 1_000;

export interface ServedConnection {
  tick(nowMs: number): void;
  /** No more than what is at hand. */
  stop(): void;
  cut(): void;
}

export interface ServiceWorld {
  settings(): { readonly limits: { readonly connections: number; readonly drainTimeoutMs: number } };
  readonly trouble: (what: string, error: unknown) => void;
  readonly nowMs: () => number;
}

export class Service {
  readonly #name: string;
  readonly #world: ServiceWorld;
  readonly #serve: (socket: Socket, onEnd: () => void) => ServedConnection;
  readonly #connections = new Set<ServedConnection>();
  #listeners: readonly Bound[] = [];
  readonly #timer: NodeJS.Timeout;
  #stopping = false;
  #isFull = false;
  #emptied: (() => void) | undefined;

  /** `serve` takes a socket that nobody reads yet, and calls `onEnd` once when it is closed. */
  constructor(
    name: string,
    world: ServiceWorld,
    serve: (socket: Socket, onEnd: () => void) => ServedConnection,
  ) {
    this.#name = name;
    this.#world = world;
    this.#serve = serve;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  get open(): number {
    return this.#connections.size;
  }

  /** Brings the listeners in line with the configuration: new ones first, so that a bad address leaves the old in force. */
  async listenOn(wanted: readonly Endpoint[]): Promise<readonly Listener['address'][]> {
    const before = await this.#withoutLost();
    const after: Bound[] = [];
    try {
      for (const at of wanted) {
        const known = before.find(
          (l) => isSamePlace(l.at, at) && !after.some((a) => a.listener === l.listener),
        );
        if (known !== undefined && 'path' in at) letIn(at);
        after.push({ at, listener: known?.listener ?? (await this.#listen(at)) });
      }
    } catch (error) {
      for (const { listener } of after) if (!isIn(before, listener)) await listener.close();
      throw error;
    }
    this.#listeners = after;
    for (const { listener } of before) if (!isIn(after, listener)) await listener.close();
    return after.map(({ listener }) => listener.address);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { listener } of this.#listeners) await listener.close();
    this.#listeners = [];
    for (const connection of [...this.#connections]) connection.stop();
    await this.#emptyWithin(this.#world.settings().limits.drainTimeoutMs);
    for (const connection of [...this.#connections]) connection.cut();
    await this.#emptyWithin(LAST_WORDS_MS);
    clearInterval(this.#timer);
  }

  /**
   * A socket whose file somebody took away is bound anew, and before all else: its listener would take the file of its successor with it
   * (libuv's uv__pipe_close), and nobody can reach it any more.
   */
  async #withoutLost(): Promise<readonly Bound[]> {
    const kept: Bound[] = [];
    for (const bound of this.#listeners) {
      const { at, listener } = bound;
      const isLost = 'path' in at && lstatSync(at.path, { throwIfNoEntry: false }) === undefined;
      if (isLost) await listener.close();
      else kept.push(bound);
    }
    this.#listeners = kept;
    return kept;
  }

  #listen(at: Endpoint): Promise<Listener> {
    return listen(
      at,
      (socket) => this.#accept(socket),
      (error) => this.#world.trouble(`listening for the ${this.#name}`, error),
    );
  }

  #accept(socket: Socket): void {
    const full = this.#connections.size >= this.#world.settings().limits.connections;
    if (full && !this.#isFull) this.#world.trouble(`the ${this.#name}`, 'limits.connections is reached');
    this.#isFull = full;
    if (full || this.#stopping) {
      // The MTA's own setting for a filter that cannot be reached says what becomes of the mail.
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    const connection = this.#serve(socket, () => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#emptied?.();
    });
    this.#connections.add(connection);
  }

  #tick(): void {
    const nowMs = this.#world.nowMs();
    for (const connection of this.#connections) connection.tick(nowMs);
  }

  async #emptyWithin(ms: number): Promise<void> {
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#emptied = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

interface Bound {
  readonly at: Endpoint;
  readonly listener: Listener;
}

const isIn = (all: readonly Bound[], listener: Listener): boolean =>
  all.some((one) => one.listener === listener);
