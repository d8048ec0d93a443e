/**
 * Who is it that asks, and may it? Sees the cookie, the headers and the socket's address of every request; believes a header of a web
 * server before us only where the socket's address is one that the configuration names.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { DashboardConfig } from '../config/admin.ts';
import { clientNetwork } from '../core/site.ts';
import { canonicalAddress } from '../mail/ip.ts';
import { LoginGuard } from './login-guard.ts';
import { Refused } from './refused.ts';
import type { AdminWorld } from './world.ts';

export interface User {
  readonly name: string;
  /** What `X-CSRF-Token` has to say. */
  readonly csrf: string;
  /** Of the cookie; absent where a web server before us has vouched. */
  readonly tokenHash?: string;
}

type Incoming = Pick<IncomingMessage, 'headers' | 'socket'>;

const TOKEN_OCTETS = 32;
const PASSED_ON = ['x-forwarded-for', 'x-forwarded-proto', 'x-real-ip', 'forwarded', 'via'];
const NO_PROXY =
  'sends X-Forwarded-For and is none of `user_header_from` in [admin]: all its clients count as one network';
// What a header may say a user is called: it stands in lists and answers as `by`.
const USER_NAME = /^[^\x00-\x1f\x7f-\x9f]{1,100}$/;

export class Access {
  readonly #world: AdminWorld;
  readonly #guard: LoginGuard;
  /** Ties the CSRF token to the user where there is no login of ours. */
  readonly #secret = randomBytes(32);
  #hasWarned = false;

  constructor(world: AdminWorld) {
    this.#world = world;
    this.#guard = new LoginGuard(world.nowMs);
  }

  /** Undefined where nobody is logged in. */
  userOf(request: Incoming, cookies: Readonly<Record<string, string | undefined>>): User | undefined {
    this.#warnOfProxy(request);
    const { userHeader } = this.#config;
    if (userHeader !== undefined && this.#isFromProxy(request)) {
      const name = request.headers[userHeader];
      if (typeof name === 'string' && USER_NAME.test(name)) return { name, csrf: this.#csrfOf(name) };
    }
    const token = cookies[cookieName(this.isSecure(request))];
    if (token === undefined || token.length > 100) return undefined;
    const tokenHash = hashOf(token);
    const login = this.#world.desk.logins.find(tokenHash);
    if (login === undefined || login.endsMs <= this.#world.nowMs()) return undefined;
    // Changed while nobody looked, while this login waited for its turn, or the user is gone.
    if (this.#world.users().get(login.user) !== login.fingerprint) {
      this.#world.desk.logins.end(tokenHash);
      return undefined;
    }
    return { name: login.user, csrf: login.csrf, tokenHash };
  }

  /** Throws where that user does not come in. Resolves to the token for the cookie. */
  async login(
    request: Incoming,
    { user, password }: { readonly user: string; readonly password: string },
  ): Promise<{ readonly token: string; readonly user: User; readonly lastsMs: number }> {
    if (this.#world.users().size === 0) throw new Refused(503, this.#nobodyMay());
    const network = clientNetwork(this.#world.config().site, this.clientOf(request));
    const waitMs = this.#guard.try(network, user);
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1000);
      throw new Refused(429, `Too many wrong passwords; try again in ${seconds} s`, {
        retryAfterSeconds: seconds,
      });
    }
    const outcome = await this.#world.verifyPassword(user, password, network);
    if (outcome === 'unavailable') {
      this.#guard.undone(network, user);
      throw new Refused(503, 'Too many passwords are being looked at; try again in a moment', {
        retryAfterSeconds: 1,
      });
    }
    if (outcome === 'wrong') {
      // Which user it was meant to be is not said: people type passwords into the wrong field.
      this.#world.trouble('a login at the dashboard was refused', `wrong user or password from ${network}`);
      throw new Refused(401, 'User or password is wrong');
    }
    this.#guard.succeeded(network, user);
    const token = randomBytes(TOKEN_OCTETS).toString('base64url');
    const csrf = randomBytes(TOKEN_OCTETS).toString('base64url');
    const lastsMs = this.#config.sessionTimeMs;
    const tokenHash = hashOf(token);
    const endsMs = this.#world.nowMs() + lastsMs;
    this.#world.desk.logins.begin(tokenHash, { user, csrf, endsMs, fingerprint: outcome.fingerprint });
    return { token, user: { name: user, csrf, tokenHash }, lastsMs };
  }

  /** What a browser is told that has nobody to log in as. */
  #nobodyMay(): string {
    const header =
      this.#config.userHeader === undefined ? '' : ', or come through the web server that logs you in';
    return `Nobody has a password here yet: run "postern admin set-password" on the gate's machine${header}`;
  }

  logout({ tokenHash }: User): void {
    if (tokenHash !== undefined) this.#world.desk.logins.end(tokenHash);
  }

  /**
   * Against DNS rebinding: a page of a stranger whose name has come to mean loopback sends its own name as the host. Bound to other
   * addresses names of all kinds are meant for us.
   */
  isForUs({ headers: { host = '' } }: Incoming): boolean {
    const { listen, url } = this.#config;
    if (!isLoopback(listen.address)) return true;
    const name = hostNameOf(host);
    if (name === undefined) return false;
    if (name === 'localhost' || isLoopback(name)) return true;
    return url !== undefined && hostNameOf(new URL(url).host) === name;
  }

  /** Whether something that changes things comes from a page of ours, as far as the browser says. */
  isFromOurPage(request: Incoming): boolean {
    const { origin, host, 'sec-fetch-site': site } = request.headers;
    if (site !== undefined) return site === 'same-origin' || (site === 'none' && origin === undefined);
    // Programs send neither; the token is asked of them all the same.
    if (origin === undefined) return true;
    const { url } = this.#config;
    if (url !== undefined && new URL(url).origin === origin) return true;
    const from = URL.parse(origin);
    return from !== null && /^https?:$/.test(from.protocol) && from.host === host?.toLowerCase();
  }

  hasToken({ headers }: Incoming, { csrf }: User): boolean {
    const given = headers['x-csrf-token'];
    return typeof given === 'string' && isSame(given, csrf);
  }

  /** By the socket alone: what a web server passes on for others is not Prometheus. */
  mayReadMetrics(request: Incoming): boolean {
    return this.#config.metricsFrom.has(addressOf(request.socket)) && !this.#isPassedOn(request);
  }

  /** As far as it can be known: a web server need not say so. */
  #isPassedOn(request: Incoming): boolean {
    const { headers, socket } = request;
    if (PASSED_ON.some((name) => headers[name] !== undefined) || this.#isFromProxy(request)) return true;
    // The name is for people, and leads to the web server; whoever comes over loopback has no need of it.
    const name = this.#publicName();
    return name !== undefined && isLoopback(addressOf(socket)) && hostNameOf(headers.host ?? '') === name;
  }

  /** Undefined where `url` leads no further than loopback. */
  #publicName(): string | undefined {
    const { url } = this.#config;
    const name = url === undefined ? undefined : hostNameOf(new URL(url).host);
    return name === undefined || name === 'localhost' || isLoopback(name) ? undefined : name;
  }

  /** Left unsaid, all its clients would share one network's tries, and nobody would know why. */
  #warnOfProxy(request: Incoming): void {
    if (this.#hasWarned || request.headers['x-forwarded-for'] === undefined) return;
    const address = addressOf(request.socket);
    if (!isLoopback(address) || this.#isFromProxy(request)) return;
    this.#hasWarned = true;
    this.#world.trouble('the dashboard', `${address} ${NO_PROXY}`);
  }

  /** Over TLS, as far as we can know: the cookie is then for TLS only. */
  isSecure(request: Incoming): boolean {
    if (this.#config.url?.startsWith('https:') === true) return true;
    return this.#isFromProxy(request) && request.headers['x-forwarded-proto'] === 'https';
  }

  /** The address of whoever sits before the browser. */
  clientOf(request: Incoming): string {
    const address = addressOf(request.socket);
    const forwarded = request.headers['x-forwarded-for'];
    if (!this.#isFromProxy(request) || forwarded === undefined) return address;
    // Each web server adds the address that it sees at the end; what stands before is the client's own say.
    const last = [forwarded].flat().join(',').split(',').at(-1)?.trim() ?? '';
    return canonicalAddress(last) ?? address;
  }

  get #config(): DashboardConfig {
    const { dashboard } = this.#world.config().admin;
    if (dashboard === undefined) throw new Refused(503, 'The dashboard has been switched off');
    return dashboard;
  }

  #isFromProxy({ socket }: Incoming): boolean {
    return this.#config.userHeaderFrom.has(addressOf(socket));
  }

  #csrfOf(name: string): string {
    return createHmac('sha256', this.#secret).update(name).digest('base64url');
  }
}

/** With the prefix a browser takes it from us alone, over TLS, for all paths: no neighbour under the same domain can set it. */
export const cookieName = (secure: boolean): string => (secure ? '__Host-postern' : 'postern');

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');

function isSame(a: string, b: string): boolean {
  const [x, y] = [a, b].map((text) => createHash('sha256').update(text).digest());
  return x !== undefined && y !== undefined && timingSafeEqual(x, y);
}

function addressOf({ remoteAddress = '' }: { readonly remoteAddress?: string | undefined }): string {
  return canonicalAddress(remoteAddress) ?? remoteAddress;
}

/** Of a Host field: without port and brackets, lower-case; undefined where it is none. */
function hostNameOf(host: string): string | undefined {
  const m = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9.-]{1,253}))(?::\d{1,5})?$/.exec(host);
  return (m?.[1] ?? m?.[2])?.toLowerCase();
}

function isLoopback(address: string): boolean {
  const canonical = canonicalAddress(address);
  return canonical !== undefined && (canonical.startsWith('127.') || canonical === '::1');
}
