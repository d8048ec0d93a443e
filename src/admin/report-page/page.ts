/**
 * The public page of refused senders (O5): a listener of its own that serves `/r/ID` and nothing else. Whoever knows the id of a refusal
 * sees what the refusal said, what can be mended, and may report it as a mistake once.
 *
 * Everything that comes in is a stranger's: the id, the form, X-Forwarded-For. What is shown was said to the client already. An id that
 * never was, one of an accepted message and one that is too old get the same page, and looks cost: ids cannot be tried out.
 *
 * Limits: looks by client network, look-ups at a time, connections in all and by client network, the size of a form and the time it takes.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { AdminConfig, ReportPageConfig } from '../../config/admin.ts';
import type { Report } from '../../core/desk.ts';
import { clientNetwork, type Site } from '../../core/site.ts';
import { networkSet } from '../../mail/networks.ts';
import type { AdminWorld } from '../world.ts';
import { MAX_BODY_OCTETS, readForm, type Typed } from './form.ts';
import { openLooks } from './looks.ts';
import { idOf, refusalOf, type Refusal } from './refusal.ts';
import { STYLE } from './style.ts';
import { NOT_OURS, refusalPage, TOO_LARGE, TOO_MANY, TROUBLE, UNKNOWN } from './views.ts';
import { ipOf, isOwnForm, visitorOf } from './visitor.ts';

/** What the page works with. */
export type ReportPageWorld = Pick<AdminWorld, 'nowMs' | 'trouble'> & {
  /** In force: a reload changes all but where the page listens. */
  readonly config: () => {
    readonly site: Pick<Site, 'clientPrefix'>;
    readonly admin: Pick<AdminConfig, 'reportPage'>;
  };
  readonly journal: Pick<AdminWorld['journal'], 'find'>;
  readonly desk: Pick<AdminWorld['desk'], 'reports'>;
};

export interface ReportPage {
  readonly address: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

export interface ReportPageLimits {
  /** Of one client network. */
  readonly looksPerMinute?: number;
  /** For a request to be there whole. */
  readonly requestMs?: number;
  readonly connections?: number;
  /** Of one client network that is none of the proxies: from each of those all visitors come. */
  readonly connectionsOfOne?: number;
}

/** An id that is none costs as many looks: a network can try out ten a minute. */
const MISS_COSTS = 6;
/** Look-ups in the journal at one time. */
const MAX_LOOKUPS = 16;
/** Transactions of a session whose id was asked for: each is read whole, and what named the session's id is among the last. */
const MAX_DECISIONS = 3;
const REPORTS_AGAIN_S = 3600;

/** Begins to listen. Rejects with the problem where it cannot. */
export async function openReportPage(
  world: ReportPageWorld,
  first: ReportPageConfig,
  {
    looksPerMinute = 60,
    requestMs = 15_000,
    connections = 200,
    connectionsOfOne = 20,
  }: ReportPageLimits = {},
): Promise<ReportPage> {
  const app = fastify({
    bodyLimit: MAX_BODY_OCTETS,
    requestTimeout: requestMs,
    connectionTimeout: 2 * requestMs,
    keepAliveTimeout: 5000,
    forceCloseConnections: true,
    http: {
      headersTimeout: requestMs,
      connectionsCheckingInterval: Math.min(2000, requestMs),
    },
    clientErrorHandler(_error, socket) {
      if (socket.writable)
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      else socket.destroy();
    },
    frameworkErrors: (_error, _request, reply) => void notFound(reply),
  });
  app.server.maxConnections = connections;
  const settings = () => world.config().admin.reportPage ?? first;
  boundConnections(app.server, connectionsOfOne, (socket) => {
    const peer = ipOf(socket.remoteAddress ?? '');
    if (peer === undefined || settings().proxies.has(peer)) return undefined;
    return clientNetwork(world.config().site, peer);
  });
  serve(app, world, settings, looksPerMinute);
  await app.listen({ host: first.listen.address, port: first.listen.port });
  const at = app.server.address();
  const port = at !== null && typeof at === 'object' ? at.port : first.listen.port;
  return { address: { host: first.listen.address, port }, close: () => app.close() };
}

/** Who opens more than `most` has the last of them closed. `networkOf`: undefined for whoever may have any number. */
function boundConnections(
  server: Server,
  most: number,
  networkOf: (socket: Socket) => string | undefined,
): void {
  const open = new Map<string, number>();
  server.on('connection', (socket) => {
    const network = networkOf(socket);
    if (network === undefined) return;
    const before = open.get(network) ?? 0;
    if (before >= most) {
      socket.destroy();
      return;
    }
    open.set(network, before + 1);
    socket.once('close', () => {
      const left = (open.get(network) ?? 1) - 1;
      if (left === 0) open.delete(network);
      else open.set(network, left);
    });
  });
}

function serve(
  app: FastifyInstance,
  world: ReportPageWorld,
  settings: () => ReportPageConfig,
  looksPerMinute: number,
): void {
  const { journal, desk, nowMs, trouble } = world;
  const looks = openLooks(looksPerMinute, nowMs);
  let lookups = 0;
  let warned = false;
  const networkOf = (request: FastifyRequest): string => {
    const peer = request.raw.socket.remoteAddress;
    const said = request.headers['x-forwarded-for'];
    const visitor = visitorOf(peer, said, settings().proxies);
    // Left unsaid, all visitors would share one network's looks and reports, and nobody would know why.
    if (!warned && said !== undefined && LOOPBACK.has(visitor)) {
      warned = true;
      trouble('the report page', new Error(`${visitor} ${NO_PROXY}`));
    }
    return clientNetwork(world.config().site, visitor);
  };

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => {
      done(null, new URLSearchParams(String(body)));
    },
  );
  // All that can be said without the body is said before it is read.
  app.addHook('onRequest', async (request, reply) => {
    for (const [name, value] of Object.entries(HEADERS)) reply.header(name, value);
    if (request.is404) return refuseMethod(request, reply);
    if (request.routeOptions.url !== PAGE) return;
    const network = networkOf(request);
    if (!looks.take(network)) return tooMany(reply, looks.waitS(network));
    if (request.method === 'POST' && !isOwnForm(request.headers, settings().url))
      return send(reply, 403, NOT_OURS);
    if (lookups >= MAX_LOOKUPS) return send(reply.header('Retry-After', 5), 503, TROUBLE);
  });
  app.setNotFoundHandler((_request, reply) => notFound(reply));
  app.setErrorHandler((error: { readonly statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status === 413) return send(reply.header('Connection', 'close'), 413, TOO_LARGE);
    if (status < 500) return send(reply, status, NOT_OURS);
    trouble('the report page', error);
    return send(reply, 503, TROUBLE);
  });

  const find = async (asked: string): Promise<Found | undefined> => {
    const id = idOf(asked);
    if (id === undefined) return undefined;
    lookups += 1;
    try {
      const refusal = refusalOf(await journal.find({ id, limit: MAX_DECISIONS }), id);
      return refusal === undefined ? undefined : { refusal, report: desk.reports.of(refusal.decision) };
    } finally {
      lookups -= 1;
    }
  };
  const unknown = (request: FastifyRequest, reply: FastifyReply) => {
    looks.take(networkOf(request), MISS_COSTS - 1);
    return send(reply, 404, UNKNOWN);
  };

  app.get<Asked>(PAGE, async (request, reply) => {
    const found = await find(request.params.id);
    return found === undefined ? unknown(request, reply) : send(reply, 200, refusalPage(found));
  });

  app.post<Asked>(PAGE, async (request, reply) => {
    const found = await find(request.params.id);
    if (found === undefined) return unknown(request, reply);
    const { refusal, report } = found;
    if (refusal.kind === 'deferred') return send(reply, 409, refusalPage(found));
    const { problem, ...typed } = readForm(request.body);
    const again = (status: number, why: string) =>
      send(reply, status, refusalPage({ ...found, typed, problem: why }));
    if (report === undefined) {
      if (problem !== undefined) return again(400, problem);
      if (file(refusal, typed, networkOf(request)) === 'too-many') {
        reply.header('Retry-After', REPORTS_AGAIN_S);
        return again(429, 'There were too many reports for now. Please try again in an hour.');
      }
    }
    // RFC 9110 15.4.4: so that loading the page again sends nothing twice. Relative, as all addresses.
    return reply.code(303).header('Location', refusal.decision).send();
  });

  const file = ({ decision, check, client }: Refusal, { contact, text }: Typed, network: string) => {
    const refused = clientNetwork(world.config().site, client);
    return desk.reports.file({ decision, check, network, refused, contact, text });
  };

  app.get('/r/style.css', (_request, reply) =>
    reply.type('text/css; charset=utf-8').header('Cache-Control', 'public, max-age=3600').send(STYLE),
  );
  app.get('/robots.txt', (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send('User-agent: *\nDisallow: /\n'),
  );
}

const PAGE = '/r/:id';
const LOOPBACK = networkSet(['127.0.0.0/8', '::1']);
const NO_PROXY =
  'sends X-Forwarded-For and is none of `proxies` in [report_page]: all its visitors count as one network';

interface Asked {
  readonly Params: { readonly id: string };
}

interface Found {
  readonly refusal: Refusal;
  readonly report: Report | undefined;
}

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'Cache-Control': 'no-store',
  'X-Robots-Tag': 'noindex, nofollow',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
};

const send = (reply: FastifyReply, status: number, page: string): FastifyReply =>
  reply.code(status).type('text/html; charset=utf-8').send(page);

const tooMany = (reply: FastifyReply, seconds: number): FastifyReply =>
  send(reply.header('Retry-After', seconds), 429, TOO_MANY);

function notFound(reply: FastifyReply): FastifyReply {
  return reply.headers(HEADERS).code(404).type('text/plain; charset=utf-8').send('Not found\n');
}

/** What is served is served by GET, and the page takes a form. */
function refuseMethod(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.replace(/\?.*$/, '');
  const isFixed = path === '/robots.txt' || path === '/r/style.css';
  if (!isFixed && !/^\/r\/[^/]+$/.test(path)) return notFound(reply);
  if (request.method === 'GET' || request.method === 'HEAD') return notFound(reply);
  return reply
    .header('Allow', isFixed ? 'GET, HEAD' : 'GET, HEAD, POST')
    .code(405)
    .type('text/plain; charset=utf-8')
    .send('Not allowed\n');
}
