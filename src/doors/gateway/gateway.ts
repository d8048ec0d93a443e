/**
 * The gateway door: its listeners and all its connections. Sees raw sockets: the PROXY header of listed networks, then
 * TLS where it is implicit, then one `Connection` each. Who is let in (C5 to C7) is settled before anything dear is built.
 */
import type { Socket } from 'node:net';
import { canonicalAddress } from '../../mail/ip.ts';
import type { Reply } from '../../mail/reply.ts';
import { formatReply } from '../../mail/reply.ts';
import { readProxyHeader } from '../../wire/proxy/reader.ts';
import type { Listener } from '../listener.ts';
import { listen } from '../listener.ts';
import { Connection } from './connection.ts';
import type { ConnectionOpening } from './opening.ts';
import type { Entry, Seat } from '../seat.ts';
import { Entrance } from './entrance.ts';
import { serverSide } from './secure.ts';
import type { GatewayListener, GatewayWorld } from './world.ts';

// How often deadlines are looked at: they are minutes long, and 10,000 connections are looked at in well under a millisecond.
const TICK_MS = 500;
const LOOK_EVERY_TICKS = 2;
const FORGET_EVERY_TICKS = 120;
// What was cut at a stop has this long to put its last words down: a delivery that never ends must not hold the stop up.
const LAST_WORDS_MS = 1_000;

const PROXY_REMEDY =
  'have the proxy send one (HAProxy: send-proxy-v2), or take this address out of proxy_protocol_from';

interface Door {
  /** Another one after a reload. */
  config: GatewayListener;
  /** Undefined while it is being opened, and `bound` also where it listens on a wildcard address. */
  listener: Listener | undefined;
  bound: ConnectionOpening['server'] | undefined;
}

const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];

export class Gateway {
  readonly #world: GatewayWorld;
  readonly #entrance: Entrance;
  readonly #connections = new Set<Connection>();
  /** Sockets that have not yet become connections: behind a PROXY header or in a TLS handshake. */
  readonly #opening = new Set<Socket>();
  #doors: ReadonlyMap<string, Door> = new Map();
  readonly #timer: NodeJS.Timeout;
  #ticks = 0;
  #stopping = false;
  #emptied: (() => void) | undefined;

  constructor(world: GatewayWorld) {
    this.#world = world;
    this.#entrance = new Entrance(world);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get open(): number {
    return this.#entrance.open;
  }

  /** Who may come in, for the other doors too: there is one load, and one emergency. */
  get entrance(): Pick<Entrance, 'knockAtMta'> {
    return this.#entrance;
  }

  /**
   * Brings the listeners in line with the configuration: new ones first, so that a bad address leaves the old in force.
   * Whoever comes to one of them before all are open is served already.
   */
  async listenOn(wanted: readonly GatewayListener[]): Promise<readonly Listener['address'][]> {
    const doors = new Map<string, Door>();
    try {
      for (const config of wanted) {
        const key = `${config.host}:${config.port}`;
        const known = this.#doors.get(key) ?? doors.get(key);
        if (known === undefined) doors.set(key, await this.#open(key, config));
        else doors.set(key, known);
      }
    } catch (error) {
      for (const [key, { listener }] of doors) if (!this.#doors.has(key)) await listener?.close();
      throw error;
    }
    for (const config of wanted) {
      const door = doors.get(`${config.host}:${config.port}`);
      if (door !== undefined) door.config = config;
    }
    const before = this.#doors;
    this.#doors = doors;
    for (const [key, { listener }] of before) if (!doors.has(key)) await listener?.close();
    return [...doors.values()].flatMap(({ listener }) => (listener === undefined ? [] : [listener.address]));
  }

  async #open(key: string, config: GatewayListener): Promise<Door> {
    const door: Door = { config, listener: undefined, bound: undefined };
    door.listener = await listen(
      config,
      (socket) => this.#accept(door, socket),
      (error) => this.#world.trouble(`listening on ${key}`, error),
    );
    const { host, port } = door.listener.address;
    if (!WILDCARDS.includes(host)) door.bound = endpoint(host, port);
    return door;
  }

  /** Takes no more connections, lets messages that are being taken come to their end, cuts what is left after that. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { listener } of this.#doors.values()) await listener?.close();
    for (const socket of this.#opening) socket.destroy();
    for (const connection of [...this.#connections]) connection.stop();
    await this.#emptyWithin(this.#world.settings().limits.drainTimeoutMs);
    for (const connection of [...this.#connections]) connection.cut();
    await this.#emptyWithin(LAST_WORDS_MS);
    clearInterval(this.#timer);
    this.#entrance.tellTurnedAway();
  }

  /** Once the last connection is over, the delivery of one whose client has left included. */
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

  #accept({ config, bound }: Door, socket: Socket): void {
    const client = endpoint(socket.remoteAddress, socket.remotePort);
    // The system is asked only where the listener itself does not know.
    const server = bound ?? endpoint(socket.localAddress, socket.localPort);
    if (this.#stopping || client === undefined || server === undefined) {
      socket.destroy(); // we are going, or it was gone before it could be looked at
      return;
    }
    if (config.proxyProtocolFrom.size > 0 && config.proxyProtocolFrom.has(client.address)) {
      this.#readProxy(socket, { client, server, role: config.role, tls: config.tls });
    } else this.#admit(socket, { client, server, role: config.role, tls: config.tls }, undefined);
  }

  /** H7: nothing is believed of a client behind a proxy until its header has been read whole. */
  #readProxy(socket: Socket, opening: ConnectionOpening): void {
    let head: Buffer = Buffer.alloc(0);
    this.#watch(socket);
    // Whoever sends none waits for the banner, and would wait in silence.
    socket.once('timeout', () =>
      this.#world.trouble(`a PROXY header from ${opening.client.address}`, `none came; ${PROXY_REMEDY}`),
    );
    const onData = (bytes: Buffer) => {
      head = Buffer.concat([head, bytes]);
      const read = readProxyHeader(head);
      if (read.kind === 'incomplete') return;
      socket.off('data', onData);
      this.#unwatch(socket);
      if (read.kind === 'malformed') {
        this.#world.trouble(
          `a PROXY header from ${opening.client.address}`,
          `${read.reason}; ${PROXY_REMEDY}`,
        );
        socket.destroy();
        return;
      }
      const { header } = read;
      const known =
        header.kind === 'proxied'
          ? { ...opening, client: header.source, server: header.destination }
          : opening;
      socket.pause();
      this.#admit(socket, known, head.subarray(read.usedOctets));
    };
    socket.on('data', onData);
  }

  #admit(socket: Socket, opening: ConnectionOpening, early: Buffer | undefined): void {
    const entry = this.#entrance.knock(opening);
    if (!(entry instanceof Promise)) {
      this.#enter(socket, opening, early, entry);
      return;
    }
    // It waits for the store's answer, unread.
    this.#watch(socket);
    void entry.then((answered) => {
      this.#unwatch(socket);
      this.#enter(socket, opening, early, answered);
    });
  }

  #enter(socket: Socket, opening: ConnectionOpening, early: Buffer | undefined, entry: Entry): void {
    if (entry.kind === 'turned-away') {
      socket.on('error', () => undefined);
      // A handshake is dear and without one nothing can be said.
      if (opening.tls === 'implicit') socket.destroy();
      else refuseAtOnce(socket, entry.reply);
      return;
    }
    if (this.#stopping || socket.destroyed) {
      socket.on('error', () => undefined);
      entry.leave();
      socket.destroy();
      return;
    }
    if (opening.tls !== 'implicit') {
      this.#begin(socket, opening, early, entry);
      return;
    }
    const context = this.#world.secureContext(undefined);
    if (context === undefined) {
      entry.leave();
      socket.destroy();
      return;
    }
    if (early !== undefined && early.length > 0) socket.unshift(early);
    const secure = serverSide(socket, context, this.#world);
    this.#watch(secure);
    secure.once('close', entry.leave);
    secure.once('secure', () => {
      this.#unwatch(secure);
      secure.off('close', entry.leave);
      this.#begin(secure, opening, undefined, entry);
    });
  }

  #begin(socket: Socket, opening: ConnectionOpening, early: Buffer | undefined, seat: Seat): void {
    const onEnd = () => {
      this.#connections.delete(connection);
      seat.leave();
      if (this.#connections.size === 0) this.#emptied?.();
    };
    const connection = new Connection(
      this.#world,
      this.#world.settings(),
      opening,
      socket,
      onEnd,
      seat.takesMail,
    );
    this.#connections.add(connection);
    connection.start(early);
    socket.resume();
  }

  /** A socket that is not yet a connection may fail, and may not take for ever. */
  #watch(socket: Socket): void {
    this.#opening.add(socket);
    socket.on('error', () => socket.destroy());
    socket.setTimeout(this.#world.settings().limits.greetingTimeoutMs, () => socket.destroy());
    socket.once('close', () => this.#opening.delete(socket));
  }

  #unwatch(socket: Socket): void {
    this.#opening.delete(socket);
    socket.removeAllListeners('error');
    socket.removeAllListeners('timeout');
    socket.setTimeout(0);
  }

  #tick(): void {
    if (++this.#ticks % LOOK_EVERY_TICKS === 0) this.#entrance.look();
    const nowMs = this.#world.nowMs();
    const { stressed } = this.#entrance;
    for (const connection of this.#connections) {
      if (stressed) connection.tighten(nowMs);
      connection.tick(nowMs);
    }
    if (this.#ticks % FORGET_EVERY_TICKS === 0) this.#entrance.forget();
  }
}

function endpoint(address: string | undefined, port: number | undefined) {
  if (address === undefined || port === undefined) return undefined;
  // The system writes IPv4 in the one form there is.
  if (!address.includes(':')) return { address, port };
  const canonical = canonicalAddress(address.replace(/%.*$/, ''));
  return canonical === undefined ? undefined : { address: canonical, port };
}

/** Said before a connection is built: whoever is one too many costs one write. */
function refuseAtOnce(socket: Socket, reply: Reply): void {
  socket.end(formatReply(reply));
  socket.resume();
  // From now, whatever it still sends: a time-out of the socket would begin anew with each octet.
  const timer = setTimeout(() => socket.destroy(), 1000);
  socket.once('close', () => clearTimeout(timer));
}
