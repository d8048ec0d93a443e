/** The API over a journal with decisions of all kinds, each answer held to its schema: the OpenAPI document says the same. */
import assert from 'node:assert/strict';
import type { Decision } from '../src/core/decision.ts';
import type { GateStatus } from '../src/core/status.ts';
import { reply } from '../src/mail/reply.ts';
import { ANSWERS } from '../src/admin/route.ts';
import { openAdmin, type Answer, type TestAdmin } from './admin.ts';
import { decision } from './contracts/journal.ts';
import type { Cleanup } from './program.ts';

const NOW_MS = Date.now();
const OK = reply(250, '2.0.0', 'Delivered');

function step(check: string, over: Partial<Decision['steps'][number]> = {}): Decision['steps'][number] {
  const findings = [{ result: 'fail' as const, code: 'listed', text: '192.0.2.7 is listed' }];
  return { stage: 'connect', check, findings, action: 'refuse', tookMs: 3, lookups: 2, ...over };
}

export const DECISIONS: readonly Decision[] = [
  // By a check, several of one client and of its network.
  ...['A', 'B', 'C'].map((id, i) =>
    decision({
      id: `REFUSED${id}`,
      sessionId: 'SESSION1',
      atMs: NOW_MS - 60_000 * (i + 1),
      client: i < 2 ? '192.0.2.7' : '192.0.2.200',
      steps: [step('dnsbl', { evidence: { asked: 'zen.example', answer: ['127.0.0.2'] } })],
      check: 'dnsbl',
      code: 'listed',
    }),
  ),
  decision({
    id: 'DELIVERED',
    atMs: NOW_MS - 50_000,
    outcome: 'accepted',
    sizeOctets: 2000,
    tags: ['spf:softfail'],
    suspicion: 1,
    recipients: [
      { mailbox: { local: 'bob', domain: 'example.org' }, outcome: 'accepted', reply: OK },
      {
        mailbox: { local: 'eve', domain: 'example.org' },
        outcome: 'refused',
        reply: reply(550, '5.1.1', 'No such user'),
      },
    ],
    steps: [step('spf', { stage: 'mail', action: 'tag' })],
    reply: OK,
  }),
  // A bounce, one that never named a sender, one that a virus scanner refused, one of DMARC, one of the backend.
  decision({ id: 'BOUNCE', atMs: NOW_MS - 40_000, transaction: { reversePath: null, parameters: {} } }),
  decision({ id: 'NOBODY', atMs: NOW_MS - 39_000, outcome: 'abandoned', recipients: [], steps: [] }),
  decision({
    id: 'VIRUS',
    atMs: NOW_MS - 38_000,
    steps: [step('clamav', { stage: 'endOfMessage' })],
    check: 'clamav',
    code: 'infected',
  }),
  decision({
    id: 'DMARC',
    atMs: NOW_MS - 37_000,
    steps: [step('dmarc', { stage: 'endOfMessage' })],
    check: 'dmarc',
    code: 'fail',
  }),
  decision({
    id: 'BACKEND',
    atMs: NOW_MS - 36_000,
    outcome: 'deferred',
    reply: reply(451, '4.3.0', 'The disk is full'),
  }),
].map((d) => {
  if (d.id !== 'NOBODY' && d.id !== 'BACKEND') return d;
  const { transaction, check, code, reply: said, ...rest } = d;
  return d.id === 'NOBODY'
    ? rest
    : { ...rest, ...(transaction === undefined ? {} : { transaction }), steps: [], reply: said };
});

export const STATUS: GateStatus = {
  pid: 4711,
  startedAtMs: NOW_MS,
  atMs: 0,
  policy: 'p',
  listening: [{ door: 'gateway', host: '127.0.0.1', port: 25 }],
  load: { level: 'calm', sample: { loadAverage: 0.1 } },
  connections: { now: 1, limit: 1000 },
  journal: { recorded: 3, dropped: 0 },
  dependencies: [
    { kind: 'backend', name: 'smtp://127.0.0.1:2526', state: 'ok' },
    { kind: 'dns-list', name: 'zen.example', state: 'ill', detail: 'lists everything' },
  ],
  metrics: [],
};

export interface Api {
  readonly admin: TestAdmin;
  readonly get: <T>(url: string, route?: string) => Promise<T>;
  readonly send: <T>(method: string, url: string, body: unknown, route?: string) => Promise<T>;
  readonly raw: (method: string, url: string, body?: unknown) => Promise<Answer>;
}

export async function openApi(t: Cleanup, tables = '', top = ''): Promise<Api> {
  const admin = await openAdmin(t, { decisions: DECISIONS, tables, top });
  const { headers } = await admin.login();
  const raw = (method: string, url: string, body?: unknown) => admin.ask(method, url, { headers, body });
  const send = async <T>(
    method: string,
    url: string,
    body: unknown,
    route = url.split('?')[0],
  ): Promise<T> => {
    const { status, json, text } = await raw(method, url, body);
    assert.equal(status, 200, `${method} ${url}: ${text}`);
    const schema = ANSWERS.get(`${method} ${route}`);
    assert.ok(schema !== undefined, `${method} ${route} has a schema`);
    const parsed = schema.safeParse(json);
    assert.ok(parsed.success, `${method} ${url}: ${String(parsed.error)}`);
    // What the schema does not name is nobody's to send.
    assert.deepEqual(parsed.data, json);
    return json as T;
  };
  return { admin, raw, send, get: (url, route) => send('GET', url, undefined, route) };
}
