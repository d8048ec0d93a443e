/**
 * The exchanges of AUTH PLAIN (RFC 4616) and LOGIN (an expired draft that every client speaks), as values: each step gives the next
 * challenge, the credentials, or the mistake. What comes in is untrusted and secret: nothing of it is put into replies or errors.
 */
import { isUtf8 } from 'node:buffer';
import { reply, type Reply } from '../../mail/reply.ts';
import { errorReply } from './errors.ts';
import type { Mechanism } from './events.ts';

export type AuthExchange =
  | { readonly kind: 'plain' }
  | { readonly kind: 'login-user' }
  | { readonly kind: 'login-password'; readonly identity: string };

export type AuthStep =
  /** Give `reply` (334) and hand the next `auth-response` to `continueAuth` with `exchange`. */
  | { readonly kind: 'challenge'; readonly exchange: AuthExchange; readonly reply: Reply }
  | Credentials
  | { readonly kind: 'error'; readonly error: 'bad-auth-response'; readonly reply: Reply };

export interface Credentials {
  readonly kind: 'credentials';
  readonly mechanism: Mechanism;
  /** Who proves himself (authcid). */
  readonly identity: string;
  /** Whom he wants to act as (authzid, PLAIN only); empty: himself. */
  readonly actAs: string;
  readonly password: string;
}

/** `initialResponse` as it came with AUTH: base64, or `=` for an empty one (RFC 4954 4). */
export function beginAuth(mechanism: Mechanism, initialResponse: string | undefined): AuthStep {
  const exchange: AuthExchange = mechanism === 'PLAIN' ? { kind: 'plain' } : { kind: 'login-user' };
  if (initialResponse === undefined) {
    return { kind: 'challenge', exchange, reply: challenge(mechanism === 'PLAIN' ? '' : 'Username:') };
  }
  return continueAuth(exchange, initialResponse === '=' ? '' : initialResponse);
}

export function continueAuth(exchange: AuthExchange, response: string): AuthStep {
  const text = decodedResponse(response);
  if (text === undefined) return BAD_RESPONSE;
  switch (exchange.kind) {
    case 'plain': {
      const [actAs, identity, password, surplus] = text.split('\0', 4);
      if (actAs === undefined || !identity || !password || surplus !== undefined) return BAD_RESPONSE;
      return { kind: 'credentials', mechanism: 'PLAIN', identity, actAs, password };
    }
    case 'login-user':
      if (text === '' || text.includes('\0')) return BAD_RESPONSE;
      return {
        kind: 'challenge',
        exchange: { kind: 'login-password', identity: text },
        reply: challenge('Password:'),
      };
    case 'login-password':
      if (text === '' || text.includes('\0')) return BAD_RESPONSE;
      return {
        kind: 'credentials',
        mechanism: 'LOGIN',
        identity: exchange.identity,
        actAs: '',
        password: text,
      };
    default:
      return exchange satisfies never;
  }
}

const BAD_RESPONSE: AuthStep = {
  kind: 'error',
  error: 'bad-auth-response',
  reply: errorReply('bad-auth-response'),
};

const challenge = (text: string): Reply => reply(334, '', Buffer.from(text).toString('base64'));

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

// Node's decoder skips what is not base64; RFC 4954 4 wants it refused.
function decodedResponse(response: string): string | undefined {
  if (response.length % 4 !== 0 || !BASE64.test(response)) return undefined;
  const bytes = Buffer.from(response, 'base64');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}
