/**
 * The server side of Postfix's policy delegation protocol (SMTPD_POLICY_README) as a codec: bytes in, requests out; actions in, text
 * out. A request is `name=value` lines, each ended by LF, and an empty line; an answer is one such line and an empty one. The
 * connection lasts for many requests, one after the other.
 *
 *   const p = new PolicyProtocol(DEFAULT_POLICY_LIMITS);
 *   socket.on('data', (bytes) => { p.receive(bytes); pump(); });
 *   pump: while ((event = p.next()) !== undefined) {
 *     if (event.kind === 'bad') { log(event.error); socket.destroy(); return; }
 *     socket.write(p.answer({ kind: 'dunno' }));
 *   }
 *
 * What is no request ends the connection without an answer: "In case of trouble the policy server must not send a reply." Postfix
 * then tries once more, and defers (smtpd_policy_service_default_action).
 */
import { plainText, rawText } from '../client-text.ts';
import { formatAction, type PolicyAction } from './action.ts';
import type { PolicyLimits } from './limits.ts';
import { ATTRIBUTES, readRequest, type PolicyRequest, type RequestError } from './request.ts';

export type PolicyEvent =
  | { readonly kind: 'request'; readonly request: PolicyRequest }
  /** The connection is closed: end it without a word. */
  | { readonly kind: 'bad'; readonly error: PolicyError };

/** A closed set. */
export type PolicyError =
  | RequestError
  | 'line-too-long'
  | 'request-too-long'
  | 'too-many-attributes'
  /** A line that is no `name=value`. */
  | 'no-attribute'
  /** NUL, or CR at the end of a line: no MTA sends them. Within a line a CR may be the client's (`<"a\rb"@example.net>`). */
  | 'control-character'
  /** An attribute that we read comes twice: which of them counts would be the client's choice. */
  | 'attribute-twice'
  /** An empty line where a request should be. */
  | 'empty-request'
  /** More than a request came while it was our turn. */
  | 'input-overflow';

const NOTHING = Buffer.alloc(0);
/** Left as they came: `takenAddress` finds what cannot be one. */
const ADDRESSES: ReadonlySet<string> = new Set(['sender', 'recipient']);
const LF = 0x0a;
const CR = 0x0d;
const NUL = 0x00;

export class PolicyProtocol {
  limits: PolicyLimits;
  #state: 'open' | 'due' | 'closed' = 'open';
  #bytes: Buffer = NOTHING;
  /** Where the next line is looked for, and how far it was looked at. */
  #at = 0;
  #seen = 0;
  /** `#bytes` is a copy of ours, no part of a larger chunk from the socket. */
  #owned = false;
  #attributes = new Map<string, string>();
  /** Of the request so far. */
  #octets = 0;
  #lines = 0;
  #overflowed = false;

  constructor(limits: PolicyLimits) {
    this.limits = limits;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  get wantsAnswer(): boolean {
    return this.#state === 'due';
  }

  /** How long the MTA may be silent from now; undefined: our turn. */
  get deadlineMs(): number | undefined {
    return this.#state === 'open' ? this.limits.idleMs : undefined;
  }

  get bufferedOctets(): number {
    return this.#bytes.length - this.#at;
  }

  /** A request has begun and not ended. */
  get unfinished(): boolean {
    return this.#lines > 0 || this.bufferedOctets > 0;
  }

  receive(bytes: Buffer): void {
    if (this.#state === 'closed' || bytes.length === 0) return;
    if (this.#state === 'due' && this.bufferedOctets + bytes.length > this.limits.requestOctets) {
      this.#overflowed = true;
      return;
    }
    const rest = this.#bytes.subarray(this.#at);
    this.#owned = rest.length > 0;
    this.#bytes = this.#owned ? Buffer.concat([rest, bytes]) : bytes;
    this.#seen -= this.#at;
    this.#at = 0;
  }

  next(): PolicyEvent | undefined {
    if (this.#overflowed) return this.#bad('input-overflow');
    while (this.#state === 'open') {
      const end = this.#bytes.indexOf(LF, this.#seen);
      const octets = (end === -1 ? this.#bytes.length : end) - this.#at;
      if (octets > this.limits.lineOctets) return this.#bad('line-too-long');
      if (end === -1) {
        this.#keep();
        return undefined;
      }
      this.#octets += octets + 1;
      if (this.#octets > this.limits.requestOctets) return this.#bad('request-too-long');
      const line = this.#bytes.subarray(this.#at, end);
      this.#at = this.#seen = end + 1;
      const event = line.length === 0 ? this.#end() : this.#attribute(line);
      if (event !== undefined) return event;
    }
    return undefined;
  }

  /** The answer to the last request. Empty once the connection is closed; throws when none is due (misuse). */
  answer(action: PolicyAction): string {
    if (this.#state === 'closed') return '';
    if (this.#state !== 'due') throw new Error('no answer is due');
    const said = formatAction(action);
    this.#state = 'open';
    return said;
  }

  #attribute(line: Buffer): PolicyEvent | undefined {
    if (++this.#lines > this.limits.attributes) return this.#bad('too-many-attributes');
    if (line.includes(NUL) || line.at(-1) === CR) return this.#bad('control-character');
    const equals = line.indexOf('=');
    if (equals < 1) return this.#bad('no-attribute');
    const name = line.toString('latin1', 0, equals);
    if (!ATTRIBUTES.has(name)) return undefined;
    if (this.#attributes.has(name)) return this.#bad('attribute-twice');
    const value = line.subarray(equals + 1);
    this.#attributes.set(name, ADDRESSES.has(name) ? rawText(value) : plainText(value));
    return undefined;
  }

  #end(): PolicyEvent {
    if (this.#lines === 0) return this.#bad('empty-request');
    const request = readRequest(this.#attributes);
    if (typeof request === 'string') return this.#bad(request);
    this.#attributes = new Map();
    this.#octets = 0;
    this.#lines = 0;
    this.#state = 'due';
    return { kind: 'request', request };
  }

  #bad(error: PolicyError): PolicyEvent {
    this.#state = 'closed';
    this.#bytes = NOTHING;
    this.#at = this.#seen = 0;
    this.#attributes = new Map();
    this.#lines = 0;
    this.#overflowed = false;
    return { kind: 'bad', error };
  }

  /** A copy of its own size: a slice would hold the socket's whole chunk in memory. */
  #keep(): void {
    if (this.bufferedOctets === 0) this.#bytes = NOTHING;
    else if (!this.#owned || this.#at > 0) this.#bytes = Buffer.from(this.#bytes.subarray(this.#at));
    this.#owned = true;
    this.#at = 0;
    this.#seen = this.#bytes.length;
  }
}
