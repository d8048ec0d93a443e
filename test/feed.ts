/**
 * Feeds a byte script into a server codec and collects what comes out, however the bytes are cut. The client it plays waits for each
 * reply unless told otherwise: a script is a list of turns, and a turn is sent only when the codec has answered the one before.
 */
import { reply, type Reply } from '../src/mail/reply.ts';
import type { ServerEvent } from '../src/wire/smtp/events.ts';
import type { ServerProtocol } from '../src/wire/smtp/server.ts';

/** How a turn is cut into pieces. */
export type Cut = (bytes: Buffer) => readonly Buffer[];

export const whole: Cut = (bytes) => [bytes];

export const byteByByte: Cut = (bytes) => Array.from(bytes, (_octet, i) => bytes.subarray(i, i + 1));

/** Cut before each of these offsets. */
export function cutAt(...offsets: readonly number[]): Cut {
  return (bytes) => {
    const inside = offsets.filter((o) => o > 0 && o < bytes.length);
    const bounds = [0, ...new Set(inside.sort((a, b) => a - b)), bytes.length];
    return bounds.slice(1).map((end, i) => bytes.subarray(bounds[i], end));
  };
}

/** Cuts by a list of piece sizes that is gone through again and again: what fast-check draws. */
export function cutBySizes(sizes: readonly number[]): Cut {
  return (bytes) => {
    const pieces: Buffer[] = [];
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = Math.max(1, sizes[i % Math.max(1, sizes.length)] ?? bytes.length);
      pieces.push(bytes.subarray(at, at + size));
      at += size;
    }
    return pieces;
  };
}

/** What a door would answer; `undefined` leaves the event open. */
export type Answer = (event: ServerEvent, protocol: ServerProtocol) => Reply | undefined;

/** Says yes to everything that may be answered with yes. */
export const accepting: Answer = (event, protocol) => {
  switch (event.kind) {
    case 'error':
      return event.reply;
    case 'hello':
      return protocol.helloReply();
    case 'data':
      return reply(354, '', 'Go on');
    case 'starttls':
      return reply(220, '2.0.0', 'Ready');
    case 'quit':
      return reply(221, '2.0.0', 'Bye');
    case 'auth':
    case 'auth-response':
      return reply(235, '2.7.0', 'Yes');
    case 'mail':
    case 'rcpt':
    case 'end-of-message':
    case 'rset':
    case 'noop':
    case 'vrfy':
    case 'help':
      return reply(250, '2.0.0', 'Yes');
    case 'content':
    case 'violation':
      return undefined;
    default:
      return event satisfies never;
  }
};

export interface Fed {
  /** Neighbouring pieces of content are one event, so that cuts do not show. */
  readonly events: readonly ServerEvent[];
  readonly replies: readonly string[];
}

export function feed(
  protocol: ServerProtocol,
  turns: readonly (string | Buffer)[],
  { cut = whole, answer = accepting }: { readonly cut?: Cut; readonly answer?: Answer } = {},
): Fed {
  const events: ServerEvent[] = [];
  const replies: string[] = [];
  const pump = () => {
    for (let event = protocol.next(); event !== undefined; event = protocol.next()) {
      const last = events.at(-1);
      if (event.kind === 'content' && last?.kind === 'content') {
        events[events.length - 1] = { kind: 'content', bytes: Buffer.concat([last.bytes, event.bytes]) };
      } else {
        events.push(event);
      }
      const said = answer(event, protocol);
      if (said !== undefined) replies.push(protocol.reply(said));
    }
  };
  if (protocol.state === 'connected') protocol.greet(reply(220, '', 'mx.example.org'));
  for (const turn of turns) {
    const bytes = typeof turn === 'string' ? Buffer.from(turn) : turn;
    for (const piece of cut(bytes)) {
      // A copy, as a socket would give: nobody may rely on the bytes around it.
      protocol.receive(Buffer.from(piece));
      pump();
    }
  }
  return { events, replies };
}
