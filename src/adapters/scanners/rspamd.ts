/**
 * rspamd's end of the wire: HTTP to its normal worker or its proxy, over TCP or a unix socket, by Node's own client: its
 * parser is the one that is attacked most and mended first. Connections are kept where rspamd offers it. A kept one that was
 * closed while it rested is no trouble of rspamd's: the message is sent once more. The answer is bounded.
 */
import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type {
  RspamdVerdict,
  ScanFailure,
  Scanner,
  ScannerSettings,
  ScanQuestion,
} from '../../core/scanners.ts';
import { formatMailbox } from '../../mail/mailbox.ts';
import { ReplyBytes, shown } from '../../wire/scanners/reply-bytes.ts';
import { MAX_ANSWER_OCTETS, questionFields, readAnswer } from '../../wire/scanners/rspamd.ts';
import { reasonOf, Turns } from './turns.ts';

const MAX_HEADER_OCTETS = 16_384;
const REST_MS = 5000;

type Heard =
  | { readonly kind: 'answered'; readonly status: number; readonly body: Buffer }
  | { readonly kind: 'failed'; readonly reason: string; readonly rested: boolean };

interface Request {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: () => Iterable<Buffer> | AsyncIterable<Buffer>;
}

export class Rspamd implements Scanner<RspamdVerdict> {
  readonly #settings: ScannerSettings;
  readonly #turns: Turns;
  readonly #agent: Agent;

  constructor(settings: ScannerSettings) {
    this.#settings = settings;
    this.#turns = new Turns(settings);
    this.#agent = new Agent({ keepAlive: true, maxFreeSockets: settings.atOnce, timeout: REST_MS });
  }

  async scan(question: ScanQuestion, signal: AbortSignal): Promise<RspamdVerdict | ScanFailure> {
    const leave = await this.#turns.take(signal);
    if ('kind' in leave) return leave;
    try {
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(this.#settings.timeoutMs)]);
      const { content } = question;
      const heard = await this.#ask(
        {
          method: 'POST',
          path: '/checkv2',
          headers: { ...fieldsOf(question), 'Content-Length': String(content.sizeOctets) },
          body: () => content.chunks(),
        },
        inTime,
      );
      if (heard.kind === 'failed') return { kind: 'failed', reason: heard.reason };
      // RFC 9110 15.5.14: Content Too Large.
      if (heard.status === 413) return { kind: 'too-large' };
      if (heard.status !== 200) return { kind: 'failed', reason: `it answers with status ${heard.status}` };
      return readAnswer(heard.body);
    } finally {
      leave();
    }
  }

  async probe(signal: AbortSignal): Promise<ScanFailure | undefined> {
    const heard = await this.#ask({ method: 'GET', path: '/ping', headers: {}, body: () => [] }, signal);
    if (heard.kind === 'failed') return { kind: 'failed', reason: heard.reason };
    const said = shown(heard.body.toString('latin1').trim(), 40);
    if (heard.status === 200 && said === 'pong') return undefined;
    return { kind: 'failed', reason: `it answers with status ${heard.status}: ${said}` };
  }

  /** Ends the connections that rest; what is under way comes to its own end. */
  close(): void {
    for (const sockets of Object.values(this.#agent.freeSockets))
      for (const socket of sockets ?? []) socket.destroy();
  }

  async #ask(request: Request, signal: AbortSignal): Promise<Heard> {
    const heard = await this.#askOnce(request, signal);
    return heard.kind === 'failed' && heard.rested && !signal.aborted
      ? this.#askOnce(request, signal)
      : heard;
  }

  async #askOnce({ method, path, headers, body }: Request, signal: AbortSignal): Promise<Heard> {
    if (signal.aborted) return { kind: 'failed', reason: reasonOf(signal), rested: false };
    const { address } = this.#settings;
    const peer =
      address.kind === 'unix' ? { socketPath: address.path } : { host: address.host, port: address.port };
    const request = httpRequest({
      ...peer,
      method,
      path,
      headers,
      agent: this.#agent,
      maxHeaderSize: MAX_HEADER_OCTETS,
      signal,
    });
    return new Promise((resolve) => {
      let answered = false;
      const fail = (error: unknown) => {
        const reason = signal.aborted ? reasonOf(signal) : messageOf(error);
        resolve({ kind: 'failed', reason, rested: request.reusedSocket && !answered });
        request.destroy();
      };
      request.on('error', fail);
      request.on('response', (response) => {
        answered = true;
        read(response).then(resolve, fail);
      });
      // An answer may come before all is sent: then the request is over, and the pipe's error no news.
      send(body(), request).catch((error: unknown) => {
        if (!answered) fail(error);
      });
    });
  }
}

async function send(body: Iterable<Buffer> | AsyncIterable<Buffer>, request: ClientRequest): Promise<void> {
  await pipeline(Readable.from(body, { objectMode: false }), request);
}

async function read(response: IncomingMessage): Promise<Heard> {
  const bytes = new ReplyBytes(MAX_ANSWER_OCTETS);
  for await (const piece of response as AsyncIterable<Buffer>) {
    if (!bytes.append(piece)) throw new Error('its answer is too long');
  }
  return { kind: 'answered', status: response.statusCode ?? 0, body: bytes.bytes };
}

function fieldsOf({ session, transaction, hostName, by }: ScanQuestion) {
  const path = transaction.reversePath;
  return questionFields({
    id: transaction.id,
    client: session.client.address,
    helo: session.helo?.name,
    hostName,
    by,
    sender: path === null ? '' : formatMailbox(path),
    recipients: transaction.recipients.map(formatMailbox),
    user: session.authenticated?.identity,
    tls: session.tls,
  });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
