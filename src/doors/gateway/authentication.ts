/**
 * AUTH in one session (RFC 4954): the exchange under way, and how often it went wrong. Made when a client first says AUTH. What it
 * says is a stranger's guess until the credentials are verified.
 */
import type { SessionFacts } from '../../core/facts.ts';
import { replies } from '../../core/replies.ts';
import type { Site } from '../../core/site.ts';
import { clientNetwork } from '../../core/site.ts';
import type { Reply } from '../../mail/reply.ts';
import type { AuthExchange, AuthStep } from '../../wire/smtp/auth.ts';
import { beginAuth, continueAuth } from '../../wire/smtp/auth.ts';
import type { ServerEvent } from '../../wire/smtp/events.ts';
import type { CredentialsVerdict, GatewayWorld } from './world.ts';

// Credentials tried in one session; a guessing bot has to come again, and meets the connection rate.
const MAX_FAILURES = 3;

export interface AuthAnswer {
  readonly reply: Reply;
  /** It was the last word to this client. */
  readonly ends?: boolean;
  /** Who the client has shown to be. */
  readonly as?: NonNullable<SessionFacts['authenticated']>;
}

export class Authentication {
  readonly #network: string;
  readonly #world: Pick<GatewayWorld, 'verifyCredentials'>;
  #exchange: AuthExchange | undefined;
  #failures = 0;

  constructor(client: string, site: Site, world: Pick<GatewayWorld, 'verifyCredentials'>) {
    this.#network = clientNetwork(site, client);
    this.#world = world;
  }

  async hear(event: ServerEvent & { kind: 'auth' | 'auth-response' }): Promise<AuthAnswer> {
    const step = this.#step(event);
    this.#exchange = step.kind === 'challenge' ? step.exchange : undefined;
    if (step.kind !== 'credentials') return { reply: step.reply };
    const { mechanism, identity, actAs, password } = step;
    // Nobody here may act as somebody else (RFC 4616 2).
    const verdict: CredentialsVerdict =
      actAs === '' || actAs === identity
        ? await this.#world.verifyCredentials(identity, password, this.#network)
        : 'wrong';
    switch (verdict) {
      case 'ok':
        return { reply: replies.authenticated(), as: { mechanism, identity } };
      case 'unavailable':
        return { reply: replies.authUnavailable() };
      // Its network's own flood: a guess that was not even looked at is a guess.
      case 'too-many':
        return this.#failed(replies.authUnavailable());
      case 'wrong':
        return this.#failed(replies.authFailed());
      default:
        return verdict satisfies never;
    }
  }

  #step(event: ServerEvent & { kind: 'auth' | 'auth-response' }): AuthStep {
    if (event.kind === 'auth') return beginAuth(event.mechanism, event.initialResponse);
    if (this.#exchange === undefined) throw new Error('no AUTH is under way');
    return continueAuth(this.#exchange, event.response);
  }

  #failed(reply: Reply): AuthAnswer {
    return ++this.#failures >= MAX_FAILURES ? { reply: replies.tooManyErrors(), ends: true } : { reply };
  }
}
