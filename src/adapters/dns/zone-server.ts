/**
 * A small authoritative DNS server in this process, over UDP and TCP on one loopback port: what the tests ask through
 * the real resolver, and the built-in zone of the demo. Single names can be told to fail. It is no server for the
 * network: it binds to loopback and answers whoever asks.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket as TcpSocket } from 'node:net';
import * as dnsPacket from 'dns-packet';
import type { DnsType } from '../../core/ports.ts';
import { DNS_TYPES, readZone, type Zone, type ZoneRecords } from './zone.ts';

/** What happens to a question: `timeout` is never answered, a number is milliseconds of delay, the others are RCODEs. */
export type ZoneTrouble = 'timeout' | 'servfail' | 'refused' | number;

const RCODES = { noerror: 0, formerr: 1, servfail: 2, nxdomain: 3, refused: 5 } as const;
const AUTHORITATIVE = 1 << 10;
const TRUNCATED = 1 << 9;
const UDP_OCTETS = 512;
const MAX_TCP_CLIENTS = 64;
const MAX_TCP_OCTETS = 65_537;
// Names counted; a test that asks for more wants another measure.
const MAX_COUNTED = 100_000;
// Ports that are free for TCP and taken for UDP: rare, but a machine full of tests has them.
const PORT_ATTEMPTS = 20;

export class ZoneServer {
  /** By `name TYPE`, by name alone, or `*` for all. May be changed while the server runs. */
  readonly troubles = new Map<string, ZoneTrouble>();
  /** Questions by `name TYPE`. */
  readonly asked = new Map<string, number>();
  ttl = 300;
  #zone: Zone;
  readonly #udp: Socket;
  readonly #tcp: Server;
  readonly #clients = new Set<TcpSocket>();
  readonly #late = new Set<NodeJS.Timeout>();
  readonly port: number;

  /** `address`: a loopback address; the port is the system's choice. */
  static async start(records: ZoneRecords, address = '127.0.0.1'): Promise<ZoneServer> {
    const zone = readZone(records);
    for (let attempt = 1; ; attempt++) {
      const tcp = createServer();
      tcp.listen(0, address);
      await once(tcp, 'listening');
      const bound = tcp.address();
      const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
      const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      try {
        udp.bind(port, address);
        await once(udp, 'listening');
        return new ZoneServer(zone, udp, tcp, port);
      } catch (error) {
        udp.close();
        tcp.close();
        if (attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  private constructor(zone: Zone, udp: Socket, tcp: Server, port: number) {
    this.#zone = zone;
    this.#udp = udp;
    this.#tcp = tcp;
    this.port = port;
    udp.on('message', (message, from) => this.#onDatagram(message, from));
    // An answer to somebody who is gone comes back as an error of the socket; there is nobody to tell.
    udp.on('error', () => undefined);
    tcp.on('connection', (socket) => this.#onClient(socket));
  }

  /** Other records from now on. */
  replace(records: ZoneRecords): void {
    this.#zone = readZone(records);
  }

  questions(): number {
    let sum = 0;
    for (const n of this.asked.values()) sum += n;
    return sum;
  }

  async stop(): Promise<void> {
    for (const timer of this.#late) clearTimeout(timer);
    for (const client of this.#clients) client.destroy();
    await Promise.all([
      new Promise<void>((resolve) => this.#udp.close(() => resolve())),
      new Promise<void>((resolve) => this.#tcp.close(() => resolve())),
    ]);
  }

  #onDatagram(message: Buffer, from: RemoteInfo): void {
    this.#answer(message, (packet) => {
      const bytes = dnsPacket.encode(packet);
      const short = bytes.length <= UDP_OCTETS ? bytes : dnsPacket.encode(truncated(packet));
      this.#udp.send(short, from.port, from.address);
    });
  }

  #onClient(socket: TcpSocket): void {
    if (this.#clients.size >= MAX_TCP_CLIENTS) return void socket.destroy();
    this.#clients.add(socket);
    socket.on('close', () => this.#clients.delete(socket));
    socket.on('error', () => socket.destroy());
    let held = Buffer.alloc(0);
    socket.on('data', (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      // RFC 1035 4.2.2: each message has its length in front.
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
        const end = 2 + held.readUInt16BE(0);
        this.#answer(held.subarray(2, end), (packet) => {
          if (socket.writable) socket.write(dnsPacket.streamEncode(packet));
        });
        held = held.subarray(end);
      }
      if (held.length > MAX_TCP_OCTETS) socket.destroy();
    });
  }

  #answer(message: Buffer, send: (packet: dnsPacket.Packet) => void): void {
    let query: dnsPacket.Packet;
    try {
      query = dnsPacket.decode(message);
    } catch {
      return; // not DNS: no answer is what a resolver expects of such a server
    }
    const question = query.questions?.[0];
    if (question === undefined || query.type !== 'query') return;
    const name = question.name.toLowerCase();
    const key = `${name} ${question.type}`;
    if (this.asked.has(key) || this.asked.size < MAX_COUNTED)
      this.asked.set(key, (this.asked.get(key) ?? 0) + 1);

    const trouble = this.troubles.get(key) ?? this.troubles.get(name) ?? this.troubles.get('*');
    if (trouble === 'timeout') return;
    const packet =
      trouble === 'servfail' || trouble === 'refused'
        ? answered(query, RCODES[trouble])
        : this.#found(query, question);
    if (typeof trouble !== 'number') {
      send(packet);
      return;
    }
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      send(packet);
    }, trouble);
    this.#late.add(timer);
  }

  #found(query: dnsPacket.Packet, question: dnsPacket.Question): dnsPacket.Packet {
    const type = DNS_TYPES.find((t) => t === question.type);
    if (type === undefined) return answered(query, RCODES.noerror);
    const found = this.#zone.lookUp(question.name, type);
    if (found.kind !== 'found')
      return answered(query, found.kind === 'nxdomain' ? RCODES.nxdomain : RCODES.noerror);
    const answers: dnsPacket.Answer[] = [];
    if (found.cname !== undefined) answers.push(this.#record(question.name, 'CNAME', found.cname));
    for (const record of found.records)
      answers.push(this.#record(found.cname ?? question.name, type, record));
    return { ...answered(query, RCODES.noerror), answers };
  }

  #record(name: string, type: DnsType, record: unknown): dnsPacket.Answer {
    const data = type === 'MX' ? mxData(record) : type === 'TXT' ? strings(String(record)) : record;
    return { name, type, ttl: this.ttl, class: 'IN', data } as dnsPacket.Answer;
  }
}

function answered(query: dnsPacket.Packet, rcode: number): dnsPacket.Packet {
  return {
    type: 'response',
    id: query.id ?? 0,
    flags: AUTHORITATIVE | ((query.flags ?? 0) & dnsPacket.RECURSION_DESIRED) | rcode,
    questions: query.questions ?? [],
    answers: [],
  };
}

// RFC 2181 9: the client asks again over TCP.
function truncated(packet: dnsPacket.Packet): dnsPacket.Packet {
  return { ...packet, flags: (packet.flags ?? 0) | TRUNCATED, answers: [] };
}

function mxData(record: unknown) {
  const { exchange, priority } = record as { exchange: string; priority: number };
  return { preference: priority, exchange: exchange === '' ? '.' : exchange };
}

/** RFC 1035 3.3.14: character strings of at most 255 octets. */
function strings(text: string): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  const parts: Buffer[] = [];
  for (let i = 0; i < bytes.length; i += 255) parts.push(bytes.subarray(i, i + 255));
  return parts.length === 0 ? [Buffer.alloc(0)] : parts;
}
