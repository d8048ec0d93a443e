import { reply, type Reply } from '../../mail/reply.ts';

/*
 * Replies of an SMTP or LMTP server (RFC 5321 4.2), read from bytes as they come. The server is the operator's own, but it
 * may be ill, hijacked or something else altogether on that port: what it says has limits, and what is no reply ends
 * the dialogue.
 */

/** RFC 5321 4.5.3.1.5 gives a reply line 512 octets; servers that quote what they were sent go beyond. */
export const MAX_REPLY_LINE_OCTETS = 2048;
/** EHLO replies have about twenty lines; refusals with a page of explanation have fewer. */
export const MAX_REPLY_LINES = 100;

export type Heard =
  { readonly kind: 'reply'; readonly reply: Reply } | { readonly kind: 'nonsense'; readonly reason: string };

const REPLY_LINE = /^([2-5]\d\d)(?:([ -])(.*))?$/s;
// RFC 2034 4: the class of the status is the first digit of the code.
const ENHANCED = /^([245]\.\d{1,3}\.\d{1,3})(?: (.*))?$/s;
const LF = 0x0a;
const CR = 0x0d;

export class ReplyReader {
  #rest: Buffer = Buffer.alloc(0);
  #lines: string[] = [];
  #code = '';
  #broken = false;

  /** Bytes or lines of a reply that has not ended yet. */
  get unfinished(): boolean {
    return this.#rest.length > 0 || this.#lines.length > 0;
  }

  /** Nothing more is read after nonsense: what follows cannot be matched to what was asked. */
  receive(bytes: Buffer): readonly Heard[] {
    const heard: Heard[] = [];
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (!this.#broken) {
      const end = rest.indexOf(LF);
      if ((end === -1 ? rest.length : end + 1) > MAX_REPLY_LINE_OCTETS) {
        heard.push(this.#nonsense(`a reply line of more than ${MAX_REPLY_LINE_OCTETS} octets`));
      } else if (end === -1) {
        break;
      } else {
        const line = rest.toString('utf8', 0, end > 0 && rest[end - 1] === CR ? end - 1 : end);
        rest = rest.subarray(end + 1);
        const answer = this.#line(line);
        if (answer !== undefined) heard.push(answer);
      }
    }
    // A copy, so that a few bytes do not hold the whole read buffer.
    this.#rest = this.#broken ? Buffer.alloc(0) : Buffer.from(rest);
    return heard;
  }

  #line(line: string): Heard | undefined {
    const m = REPLY_LINE.exec(line);
    if (m === null) return this.#nonsense(`no reply line: ${JSON.stringify(line.slice(0, 60))}`);
    const code = m[1] ?? '';
    // RFC 5321 4.2.1: the code is the same on every line.
    if (this.#lines.length > 0 && code !== this.#code) {
      return this.#nonsense(`a reply that begins with ${this.#code} and goes on with ${code}`);
    }
    this.#code = code;
    this.#lines.push(m[3] ?? '');
    if (m[2] !== '-') return { kind: 'reply', reply: this.#finished() };
    return this.#lines.length < MAX_REPLY_LINES
      ? undefined
      : this.#nonsense(`a reply of more than ${MAX_REPLY_LINES} lines`);
  }

  #finished(): Reply {
    let enhanced = '';
    const lines = this.#lines.map((text) => {
      const m = ENHANCED.exec(text);
      if (m?.[1] === undefined || m[1][0] !== this.#code[0]) return text;
      if (enhanced === '') enhanced = m[1];
      return m[2] ?? '';
    });
    this.#lines = [];
    return reply(Number(this.#code), enhanced, ...lines);
  }

  #nonsense(reason: string): Heard {
    this.#broken = true;
    this.#lines = [];
    return { kind: 'nonsense', reason };
  }
}
