/**
 * The dashboard's server: HTTP for people who run the gate, in a process of its own. Everything that came by mail is hostile text
 * here too; every request is, until it is known whose it is. Limits: 256 KiB a body (1 MiB for what-if), 16 KiB of header, 256
 * connections, 50 listeners of the live page.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import cookie from '@fastify/cookie';
import statics from '@fastify/static';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Access } from './access.ts';
import type { Problem } from './api.ts';
import { Live } from './live.ts';
import { Refused } from './refused.ts';
import { toJson } from './route.ts';
import { blocksRoutes } from './routes/blocks.ts';
import { decisionsRoutes } from './routes/decisions.ts';
import { effectRoutes } from './routes/effect.ts';
import { greylistRoutes } from './routes/greylist.ts';
import { listsRoutes } from './routes/lists.ts';
import { liveRoutes } from './routes/live.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { nowRoutes } from './routes/now.ts';
import { queueRoutes } from './routes/queue.ts';
import { reportsRoutes } from './routes/reports.ts';
import { sessionRoutes } from './routes/session.ts';
import { settingsRoutes } from './routes/settings.ts';
import { whatIfRoutes } from './routes/what-if.ts';
import type { AdminWorld } from './world.ts';

export interface DashboardServer {
  readonly app: FastifyInstance;
  listen(at: { readonly address: string; readonly port: number }): Promise<AddressInfo>;
  close(): Promise<void>;
}

const BODY_OCTETS = 262_144;
const HEADER_OCTETS = 16_384;
const CONNECTIONS = 256;
const REQUEST_MS = 30_000;
// Longer than the live page's heartbeat, which keeps its connections.
const IDLE_MS = 60_000;

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const ALWAYS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

/** `webFolder`: the built pages. */
export async function openDashboard(
  world: AdminWorld,
  { webFolder }: { readonly webFolder: string },
): Promise<DashboardServer> {
  const access = new Access(world);
  const live = new Live(world);
  const app = fastify({
    bodyLimit: BODY_OCTETS,
    requestTimeout: REQUEST_MS,
    connectionTimeout: IDLE_MS,
    keepAliveTimeout: IDLE_MS,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    http: { maxHeaderSize: HEADER_OCTETS, headersTimeout: REQUEST_MS },
    routerOptions: { maxParamLength: 200 },
    // A path that cannot be read: no hook of ours has seen it.
    frameworkErrors: (error, request, reply) =>
      void answerProblem(world, error, request, reply.headers(ALWAYS)),
  });
  app.server.maxConnections = CONNECTIONS;
  // Requests are checked by the routes' own schemas, and answers are plain JSON.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => toJson);
  app.removeContentTypeParser('text/plain');
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else parseJson.call(app, request, body as string, done);
  });
  app.setErrorHandler((error, request, reply) => answerProblem(world, error, request, reply));
  app.decorateRequest('user', undefined);

  await app.register(cookie);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Postern dashboard', version: world.version },
      components: {
        securitySchemes: {
          login: { type: 'apiKey', in: 'cookie', name: 'postern' },
          csrf: { type: 'apiKey', in: 'header', name: 'X-CSRF-Token' },
        },
      },
    },
  });

  app.addHook('onRequest', async (request, reply) => {
    // As the router has read it: `/%61pi/now` is `/api/now`, whatever it looks like.
    const url = request.routeOptions.url ?? request.url;
    const isApi = url.startsWith('/api') || url.startsWith('/metrics');
    void reply.headers(ALWAYS);
    if (isApi) void reply.header('cache-control', 'no-store');
    if (!access.isForUs(request.raw))
      throw new Refused(421, 'This is not the name of this dashboard; set `url` in [admin] if it should be');
    const changes = request.method !== 'GET' && request.method !== 'HEAD';
    if (changes && !access.isFromOurPage(request.raw))
      throw new Refused(403, 'This did not come from a page of this dashboard; is `url` in [admin] right?');
    if (!isApi || request.is404) return;
    request.user = access.userOf(request.raw, request.cookies);
    if (request.routeOptions.config.open === true) return;
    if (request.user === undefined) throw new Refused(401, 'Nobody is logged in');
    if (changes && !access.hasToken(request.raw, request.user))
      throw new Refused(403, 'The form is too old; load the page again');
  });

  await app.register(async (api) => {
    sessionRoutes(api, world, access);
    nowRoutes(api, world);
    decisionsRoutes(api, world);
    reportsRoutes(api, world);
    listsRoutes(api, world);
    greylistRoutes(api, world);
    blocksRoutes(api, world);
    effectRoutes(api, world);
    whatIfRoutes(api, world);
    settingsRoutes(api, world);
    queueRoutes(api, world);
    liveRoutes(api, access, live);
    metricsRoutes(api, world, access);
    api.get('/api/openapi.json', { schema: { hide: true } }, async (_, reply) =>
      reply.type('application/json; charset=utf-8').send(toJson(app.swagger())),
    );
  });
  await servePages(app, webFolder);
  await app.ready();

  return {
    app,
    async listen({ address, port }) {
      await app.listen({ host: address, port });
      return app.server.address() as AddressInfo;
    },
    async close() {
      live.close();
      await app.close();
    },
  };
}

async function servePages(app: FastifyInstance, webFolder: string): Promise<void> {
  const page = join(webFolder, 'index.html');
  await app.register(statics, {
    root: webFolder,
    dotfiles: 'ignore',
    cacheControl: false,
    setHeaders(reply, path) {
      // Vite puts a hash of the content into the names of what lies there.
      const isHashed = path.startsWith(join(webFolder, 'assets'));
      void reply.header('cache-control', isHashed ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const isPage = request.method === 'GET' && !path.startsWith('/api/') && !/\.\w+$/.test(path);
    if (!isPage) throw new Refused(404, 'There is no such thing here');
    // The pages find their own way from the address.
    if (existsSync(page)) return reply.sendFile('index.html');
    return reply.code(503).type('text/html; charset=utf-8').send(NOT_BUILT);
  });
}

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Postern</title>
<h1>The dashboard's pages are not built</h1>
<p>Run <code>npm run build:web</code> in Postern's folder, then load this page again. The API is there already.</p></html>
`;

function answerProblem(
  world: AdminWorld,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  void reply.type('application/json; charset=utf-8');
  if (error instanceof Refused) {
    if (error.retryAfterSeconds !== undefined) void reply.header('retry-after', error.retryAfterSeconds);
    const problem: Problem = {
      error: error.message,
      ...(error.field === undefined ? {} : { field: error.field }),
    };
    return reply.code(error.status).send(toJson(problem));
  }
  // Fastify's own: a body that is too large, no JSON, of another type.
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status >= 400 && status < 500 && error instanceof Error)
    return reply.code(status).send(toJson({ error: error.message } satisfies Problem));
  world.trouble(`the dashboard: ${request.method} ${request.routeOptions.url ?? ''}`, error);
  return reply
    .code(500)
    .send(toJson({ error: 'A fault of the dashboard; its log says more' } satisfies Problem));
}
