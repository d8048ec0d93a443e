/**
 * Questions for names that c-ares does not put. A label may hold any octet (RFC 1035 2.3.1, RFC 2181 11), and SPF macros make
 * such names of what a client said (RFC 7208 7): `exists:%{l}.example.net` and a local part with `+`. c-ares takes the letters of
 * host names alone. The same servers are asked in the same manner: each in turn, with longer patience each time, over TCP
 * what does not fit. Against forged answers (RFC 5452): a random id, a port of its own from the system for each question,
 * answers from the server's address alone, with the question as it was asked.
 * Limits: a message of 64 KiB, one socket a question at a time; the caller bounds the questions and ends them by the signal.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { DnsRecords, DnsType } from '../../core/ports.ts';
import { encodeName, encodeQuery, readAnswer, type Answer, type Query } from './message.ts';

export interface RawQuestion {
  /** In lower case, without the final dot. */
  readonly name: string;
  readonly type: DnsType;
  /** As `Resolver.getServers` gives them. */
  readonly servers: readonly string[];
  /** How long each server may take, round by round. */
  readonly patienceMs: readonly number[];
  readonly maxRecords: number;
}

const DNS_PORT = 53;
const RCODES = ['', 'FORMERR', 'SERVFAIL', 'NOTFOUND', 'NOTIMP', 'REFUSED'];

/** Whether DNS can carry the name at all. */
export const isCarried = (name: string): boolean => encodeName(name) !== undefined;

/** Rejects as `node:dns` does: with an error that has its code. An abort is `ECANCELLED`. */
export async function askRaw(
  question: RawQuestion,
  signal: AbortSignal,
): Promise<{ records: DnsRecords[DnsType][]; ttlMs: number }> {
  const { name, type, servers, patienceMs, maxRecords } = question;
  const wire = encodeName(name);
  if (wire === undefined) throw new DnsFailure('EBADNAME');
  let last = 'ETIMEOUT';
  for (const ms of patienceMs) {
    for (const server of servers) {
      const query = encodeQuery(randomInt(0x1_0000), wire, type);
      const answer = await askServer(
        query,
        endpointOf(server),
        maxRecords,
        AbortSignal.any([signal, AbortSignal.timeout(ms)]),
      );
      if (signal.aborted) throw new DnsFailure('ECANCELLED');
      if (typeof answer === 'string') last = answer;
      else if (answer.kind === 'records')
        return { records: [...answer.records], ttlMs: answer.ttlSeconds * 1000 };
      // As `node:dns` has it: whatever a server says is the answer.
      else if (answer.kind === 'rcode')
        throw new DnsFailure(`E${RCODES[answer.rcode] ?? `RCODE${answer.rcode}`}`);
      else last = 'EBADRESP';
    }
  }
  throw new DnsFailure(last);
}

class DnsFailure extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53`, `[2001:db8::53]:5353` */
function endpointOf(server: string): Endpoint {
  const m = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[0-9.]+)):(?<port>\d+)$/.exec(server)?.groups;
  const address = m?.['v6'] ?? m?.['v4'];
  return address === undefined ? { address: server, port: DNS_PORT } : { address, port: Number(m?.['port']) };
}

/** A string is the code of what went wrong. */
async function askServer(
  query: Query,
  server: Endpoint,
  maxRecords: number,
  signal: AbortSignal,
): Promise<Answer | string> {
  const read = (message: Buffer) => readAnswer(message, query, maxRecords);
  const answer = await overUdp(query, server, read, signal);
  // RFC 7766 5: what did not fit is asked for over TCP.
  return typeof answer !== 'string' && answer.kind === 'truncated'
    ? overTcp(query, server, read, signal)
    : answer;
}

type Read = (message: Buffer) => Answer;

function overUdp(
  query: Query,
  { address, port }: Endpoint,
  read: Read,
  signal: AbortSignal,
): Promise<Answer | string> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    let isOver = false;
    const end = (answer: Answer | string) => {
      // Errors may come after the end; a socket closes but once.
      if (isOver) return;
      isOver = true;
      signal.removeEventListener('abort', onAbort);
      socket.close();
      resolve(answer);
    };
    const onAbort = () => end('ETIMEOUT');
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error) => end(codeOf(error)));
    socket.on('message', (message) => {
      if (isOver) return;
      const answer = read(message);
      // Somebody guesses, or it is meant for an earlier owner of the port: the true one may still come.
      if (answer.kind !== 'foreign') end(answer);
    });
    // A connected socket hears its server alone, and hears at once that none listens there. With a callback of `connect` an error (no
    // way to that network) would come as its argument, which its type does not say, and to nobody else.
    socket.on('connect', () => {
      if (!isOver) socket.send(query.bytes);
    });
    socket.connect(port, address);
  });
}

function overTcp(
  query: Query,
  { address, port }: Endpoint,
  read: Read,
  signal: AbortSignal,
): Promise<Answer | string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (answer: Answer | string) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(answer);
    };
    const onAbort = () => end('ETIMEOUT');
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error) => end(codeOf(error)));
    socket.on('close', () => end('EBADRESP'));
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.bytes.length);
    socket.write(Buffer.concat([length, query.bytes]));
    // RFC 1035 4.2.2: two octets of length stand before the message, so what is held cannot grow beyond 64 KiB.
    const parts: Buffer[] = [];
    let held = 0;
    let wanted = 2;
    socket.on('data', (bytes: Buffer) => {
      parts.push(bytes);
      held += bytes.length;
      if (held < wanted) return;
      const all = Buffer.concat(parts);
      parts.splice(0, parts.length, all);
      wanted = 2 + all.readUInt16BE(0);
      if (held < wanted) return;
      const answer = read(all.subarray(2, wanted));
      end(answer.kind === 'foreign' || answer.kind === 'truncated' ? { kind: 'broken' } : answer);
    });
  });
}

const codeOf = (error: Error): string => ('code' in error ? String(error.code) : 'ECONNREFUSED');
