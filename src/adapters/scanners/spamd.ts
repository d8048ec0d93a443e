/**
 * SpamAssassin's end of the wire: spamd over TCP or a unix socket, a connection for each message, for its protocol has no other way.
 * The trace field that the gate will add goes on top, or SpamAssassin would judge a client that came before this one.
 */
import type {
  ScanFailure,
  Scanner,
  ScannerSettings,
  ScanQuestion,
  SpamVerdict,
} from '../../core/scanners.ts';
import {
  SPAMD_PING,
  SpamdReader,
  symbolsRequest,
  traceFields,
  type SpamdReply,
} from '../../wire/scanners/spamd.ts';
import { headerEnd } from '../../mail/header.ts';
import { Line, type Exchange, type Failed } from './line.ts';
import { Turns } from './turns.ts';

export class Spamd implements Scanner<SpamVerdict> {
  readonly #settings: ScannerSettings;
  readonly #turns: Turns;

  constructor(settings: ScannerSettings) {
    this.#settings = settings;
    this.#turns = new Turns(settings);
  }

  async scan(question: ScanQuestion, signal: AbortSignal): Promise<SpamVerdict | ScanFailure> {
    const leave = await this.#turns.take(signal);
    if ('kind' in leave) return leave;
    try {
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(this.#settings.timeoutMs)]);
      const reply = await this.#ask(request(question), inTime);
      return reply.kind === 'pong' ? { kind: 'failed', reason: 'it answers another question' } : reply;
    } finally {
      leave();
    }
  }

  async probe(signal: AbortSignal): Promise<ScanFailure | undefined> {
    const reply = await this.#ask([SPAMD_PING], signal);
    if (reply.kind === 'pong') return undefined;
    return reply.kind === 'failed' ? reply : { kind: 'failed', reason: 'it answers another question' };
  }

  async #ask(pieces: Exchange['pieces'], signal: AbortSignal): Promise<SpamdReply | Failed> {
    const line = await Line.open(this.#settings.address, signal);
    if ('kind' in line) return line;
    const reply = await line.ask({ pieces, halfClose: true }, new SpamdReader(), signal);
    line.leave();
    return reply;
  }
}

async function* request({
  content,
  session,
  transaction,
  hostName,
  by,
}: ScanQuestion): AsyncGenerator<Buffer> {
  const path = transaction.reversePath;
  const trace = Buffer.from(
    traceFields({
      id: transaction.id,
      client: session.client.address,
      helo: session.helo?.name,
      hostName,
      by,
      sender: path === null ? '' : `${path.local}@${path.domain}`,
      authenticated: session.authenticated !== undefined,
      atMs: transaction.startedAtMs,
    }),
  );
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of content.chunks()) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    if (!head.includes(LF) && head.length < MAX_FIRST_LINE) continue;
    yield* begun(trace, head, content.sizeOctets);
    head = undefined;
  }
  if (head !== undefined) yield* begun(trace, head, content.sizeOctets);
}

/** A message without header begins with its body: an empty line keeps that from going on with our last field. */
function* begun(trace: Buffer, head: Buffer, sizeOctets: number): Generator<Buffer> {
  const bodyOnly = head.length > 0 && head[0] !== CR && headerEnd(head, true) === 0;
  const between = Buffer.from(bodyOnly ? '\r\n' : '');
  yield symbolsRequest(trace.length + between.length + sizeOctets);
  yield Buffer.concat([trace, between, head]);
}

const LF = 10;
// What has no colon by then has no name of a field.
const MAX_FIRST_LINE = 1000;
const CR = 13;
