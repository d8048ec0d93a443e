/**
 * The gateway door: its listeners and all its connections. Sees raw sockets: the PROXY header of listed networks, then
 * TLS where it is implicit, then one `Connection` each. Admission (C5) happens here, before anything dear is built.
 */
import type { Socket } from 'node:net';
import { replies } from '../../core/replies.ts';
import { canonicalAddress } from '../../mail/ip.ts';
import type { Reply } from '../../mail/reply.ts';
import { formatReply } from '../../mail/reply.ts';
import { readProxyHeader } from '../../wire/proxy/reader.ts';
import { Admission } from '../admission.ts';
import type { Listener } from '../listener.ts';
import { listen } from '../listener.ts';
import type { ConnectionOpening } from './connection.ts';
import { Connection, serverSide } from './connection.ts';
import type { GatewayListener, GatewayWorld } from './world.ts';

// How often deadlines are looked at: they are minutes long, and 10,000 connections are looked at in well under a millisecond.
const TICK_MS = 500;
const FORGET_EVERY_TICKS = 120;

interface Door {
  readonly config: GatewayListener;
  readonly listener: Listener;
  /** Undefined where it listens on a wildcard address. */
  readonly bound: ConnectionOpening['server'] | undefined;
}

const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];

export class Gateway {
  readonly #world: GatewayWorld;
  readonly #admission = new Admission();
  readonly #connections = new Set<Connection>();
  /** Sockets that have not yet become connections: behind a PROXY header or in a TLS handshake. */
  readonly #opening = new Set<Socket>();
  readonly #doors = new Map<string, Door>();
  readonly #timer: NodeJS.Timeout;
  #ticks = 0;
  #stopped: (() => void) | undefined;

  constructor(world: GatewayWorld) {
    this.#world = world;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get open(): number {
    return this.#admission.open;
  }

  /** Brings the listeners in line with the configuration: new ones first, so that a bad address leaves the old in force. */
  async listenOn(wanted: readonly GatewayListener[]): Promise<readonly Listener['address'][]> {
    const opened = new Map<string, Door>();
    try {
      for (const config of wanted) {
        const key = `${config.host}:${config.port}`;
        const listener =
          this.#doors.get(key)?.listener ??
          (await listen(
            config,
            (socket) => this.#accept(key, socket),
            (error) => this.#world.trouble(`listening on ${key}`, error),
          ));
        const { host, port } = listener.address;
        opened.set(key, {
          config,
          listener,
          bound: WILDCARDS.includes(host) ? undefined : endpoint(host, port),
        });
      }
    } catch (error) {
      for (const [key, { listener }] of opened) if (!this.#doors.has(key)) await listener.close();
      throw error;
    }
    for (const [key, { listener }] of this.#doors) if (!opened.has(key)) await listener.close();
    this.#doors.clear();
    for (const [key, door] of opened) this.#doors.set(key, door);
    return [...opened.values()].map(({ listener }) => listener.address);
  }

  /** Takes no more connections, lets messages that are being taken come to their end, cuts what is left after that. */
  async stop(): Promise<void> {
    for (const { listener } of this.#doors.values()) await listener.close();
    for (const socket of this.#opening) socket.destroy();
    for (const connection of [...this.#connections]) connection.stop();
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#world.settings().limits.drainTimeoutMs);
        this.#stopped = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const connection of [...this.#connections]) connection.cut();
    clearInterval(this.#timer);
  }

  #accept(key: string, socket: Socket): void {
    const door = this.#doors.get(key);
    const client = endpoint(socket.remoteAddress, socket.remotePort);
    // The system is asked only where the listener itself does not know.
    const server = door?.bound ?? endpoint(socket.localAddress, socket.localPort);
    if (door === undefined || client === undefined || server === undefined) {
      socket.destroy(); // gone before it could be looked at
      return;
    }
    const { config } = door;
    if (config.proxyProtocolFrom.size > 0 && config.proxyProtocolFrom.has(client.address)) {
      this.#readProxy(socket, { client, server, tls: config.tls });
    } else this.#admit(socket, { client, server, tls: config.tls }, undefined);
  }

  /** H7: nothing is believed of a client behind a proxy until its header has been read whole. */
  #readProxy(socket: Socket, opening: ConnectionOpening): void {
    let head: Buffer = Buffer.alloc(0);
    this.#watch(socket);
    const onData = (bytes: Buffer) => {
      head = Buffer.concat([head, bytes]);
      const read = readProxyHeader(head);
      if (read.kind === 'incomplete') return;
      socket.off('data', onData);
      this.#unwatch(socket);
      if (read.kind === 'malformed') {
        this.#world.trouble(`a PROXY header from ${opening.client.address}`, read.reason);
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
    const settings = this.#world.settings();
    const { address } = opening.client;
    const admitted = this.#admission.admit(address, settings.limits, this.#world.nowMs());
    if (admitted !== 'welcome') {
      socket.on('error', () => undefined);
      refuseAtOnce(
        socket,
        admitted === 'full' ? replies.tooManyConnections() : replies.tooManyFromYou(address),
      );
      return;
    }
    const released = () => this.#admission.release(address, settings.limits);
    if (opening.tls !== 'implicit') {
      this.#begin(socket, opening, early, released);
      return;
    }
    const context = this.#world.secureContext(undefined);
    if (context === undefined) {
      released();
      socket.destroy();
      return;
    }
    if (early !== undefined && early.length > 0) socket.unshift(early);
    const secure = serverSide(socket, context, this.#world);
    this.#watch(secure);
    secure.once('close', released);
    secure.once('secure', () => {
      this.#unwatch(secure);
      secure.off('close', released);
      this.#begin(secure, opening, undefined, released);
    });
  }

  #begin(socket: Socket, opening: ConnectionOpening, early: Buffer | undefined, released: () => void): void {
    const connection = new Connection(this.#world, this.#world.settings(), opening, socket, () => {
      this.#connections.delete(connection);
      released();
      if (this.#connections.size === 0) this.#stopped?.();
    });
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
    const nowMs = this.#world.nowMs();
    const { limits } = this.#world.settings();
    const stressed = this.#admission.stressed(limits);
    for (const connection of this.#connections) {
      if (stressed) connection.tighten(nowMs);
      connection.tick(nowMs);
    }
    if (++this.#ticks % FORGET_EVERY_TICKS === 0) this.#admission.forgetIdle(nowMs);
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
