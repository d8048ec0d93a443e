/** A server codec of SMTP as its tests want it, and what it says to a script in a word for each event. */
import assert from 'node:assert/strict';
import type { EhloOffer, ServerEvent, ServerLimits, ServerOptions } from '../src/wire/smtp/events.ts';
import { DEFAULT_LIMITS } from '../src/wire/smtp/limits.ts';
import { ServerProtocol } from '../src/wire/smtp/server.ts';
import { byteByByte, feed, whole, type Answer } from './feed.ts';

const OFFER: EhloOffer = {
  hostName: 'mx.example.org',
  sizeOctets: 1000,
  starttls: true,
  auth: ['PLAIN', 'LOGIN'],
  smtputf8: true,
  dsn: true,
};

export interface Given extends Partial<Omit<ServerOptions, 'limits' | 'offer'>> {
  readonly offer?: Partial<EhloOffer>;
  readonly limits?: Partial<ServerLimits>;
}

export const server = ({ offer, limits, ...rest }: Given = {}): ServerProtocol =>
  new ServerProtocol({
    ...rest,
    offer: { ...OFFER, ...offer },
    limits: { ...DEFAULT_LIMITS, ...limits },
  });

/** Events in a word each. */
export const say = (event: ServerEvent): string => {
  if (event.kind === 'error') return event.error;
  if (event.kind === 'violation') return `!${event.violation}`;
  return event.kind === 'content' ? JSON.stringify(event.bytes.toString('latin1')) : event.kind;
};

export const HELLO = 'EHLO c.example.net\r\n';
export const MAIL = 'MAIL FROM:<a@example.net>\r\n';
export const RCPT = 'RCPT TO:<b@example.org>\r\n';

/** The words of a script's events, fed whole and byte by byte with the same outcome. */
export function heard(
  turns: readonly (string | Buffer)[],
  given?: Given,
  answer?: Answer,
): readonly string[] {
  const runs = [whole, byteByByte].map((cut) =>
    feed(server(given), turns, answer === undefined ? { cut } : { cut, answer }),
  );
  assert.deepEqual(runs[1], runs[0]);
  return (runs[0]?.events ?? []).map(say);
}
