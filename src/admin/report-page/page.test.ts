import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { decision } from '../../../test/contracts/journal.ts';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { openDesk } from '../../adapters/desk/sqlite.ts';
import { openJournal } from '../../adapters/journal/sqlite.ts';
import type { Decision } from '../../core/decision.ts';
import { refusal, replies } from '../../core/replies.ts';
import type { ReportPageConfig } from '../../config/admin.ts';
import { networkSet } from '../../mail/networks.ts';
import { openReportPage, type ReportPageLimits, type ReportPageWorld } from './page.ts';

const URL_OF_PAGE = 'https://mx.example.org';
const ID = 'K7Q2MX4D';

function refused(id = ID, text = '192.0.2.7 has no matching reverse DNS', check = 'fcrdns'): Decision {
  return decision({
    id,
    reply: refusal('refuse', check, { text }, { contact: 'c@example.org', reportUrl: URL_OF_PAGE, id }),
    check,
    code: 'found',
    recipients: [],
    steps: [
      {
        stage: 'connect',
        check,
        evidence: { secret: 'what the resolver said' },
        findings: [{ result: 'fail', code: 'found', text }],
        action: 'refuse',
        tookMs: 1,
      },
    ],
  });
}

interface Given {
  readonly decisions?: readonly Decision[];
  readonly limits?: ReportPageLimits;
  readonly reportsPerHour?: number;
  readonly proxies?: readonly string[];
  readonly journal?: ReportPageWorld['journal'];
}

async function opened(
  cleanup: Cleanup,
  { decisions = [refused()], limits = {}, reportsPerHour = 5, proxies = [], journal }: Given = {},
) {
  const dir = await tempDir(cleanup);
  const clock = { ms: 2_000_000 };
  const nowMs = () => clock.ms;
  const recorded = openJournal(join(dir, 'journal.sqlite'), { nowMs });
  onEnd(cleanup, () => recorded.close());
  for (const one of decisions) recorded.record(one);
  const desk = openDesk(join(dir, 'desk.sqlite'), { nowMs, reportsPerHour });
  onEnd(cleanup, () => desk.close());
  const troubles: unknown[] = [];
  let settings: ReportPageConfig = {
    listen: { address: '127.0.0.1', port: 0 },
    url: URL_OF_PAGE,
    proxies: networkSet(proxies),
    reportsPerHour,
    reportsPerHourInAll: 200,
  };
  const page = await openReportPage(
    {
      journal: journal ?? recorded,
      desk,
      nowMs,
      config: () => ({ site: { clientPrefix: { v4: 24, v6: 64 } }, admin: { reportPage: settings } }),
      trouble: (_what, error) => troubles.push(error),
    },
    settings,
    limits,
  );
  onEnd(cleanup, () => page.close());
  const { port } = page.address;
  const ask = async (path: string, options: RequestInit = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', ...options });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  const post = (path: string, fields: Readonly<Record<string, string>>, headers = {}) =>
    ask(path, { method: 'POST', body: new URLSearchParams(fields), headers });
  return {
    ask,
    post,
    desk,
    port,
    troubles,
    later: (ms: number) => void (clock.ms += ms),
    reload: (over: Partial<ReportPageConfig>) => void (settings = { ...settings, ...over }),
  };
}

const form = { text: 'We have mended our DNS', contact: 'ann@example.net', website: '' };

describe('the page of a refusal', () => {
  it('says what was said, what it means and what can be mended, and nothing else of the decision', async (t) => {
    const { ask } = await opened(t);
    const { status, text, headers } = await ask(`/r/${ID}`);
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
    assert.match(text, /<h1>Your message was refused<\/h1>/);
    assert.match(
      text,
      /<p class="said">550 5\.7\.1 Refused: 192\.0\.2\.7 has no matching reverse DNS \(fcrdns\)\. /,
    );
    assert.match(text, /do not lead to each other in DNS/);
    assert.match(text, /PTR record/);
    assert.match(text, new RegExp(`<form method="post" action="${ID}"`));
    assert.doesNotMatch(text, /secret|resolver|example\.net"|Bob|ann@|mail\.example|SK7|4711|abc|undefined/);
  });

  it('is closed to scripts, frames, caches, search engines and other sites', async (t) => {
    const { ask } = await opened(t);
    for (const path of [`/r/${ID}`, '/r/NEVERWAS', '/elsewhere', '/r/%ff']) {
      const { headers } = await ask(path);
      assert.match(headers.get('content-security-policy')!, /^default-src 'none'; style-src 'self';/, path);
      assert.doesNotMatch(headers.get('content-security-policy')!, /unsafe|script-src|\*/);
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.match(headers.get('x-robots-tag')!, /noindex/);
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('set-cookie'), null);
    }
  });

  it('is found in small letters and with what stands behind the id in a sentence', async (t) => {
    const { ask } = await opened(t);
    for (const path of ['/r/k7q2mx4d', `/r/${ID}.`, `/r/${ID}?x=1`])
      assert.equal((await ask(path)).status, 200, path);
  });

  it('loads nothing but its style sheet, relative to itself', async (t) => {
    const { ask } = await opened(t);
    const { text } = await ask(`/r/${ID}`);
    assert.deepEqual(
      [...text.matchAll(/(?:href|src|action)="([^"]*)"/g)].map((m) => m[1]),
      ['style.css', ID],
    );
    assert.doesNotMatch(text, /style=|<script|\son\w+=/);
    const style = await ask('/r/style.css');
    assert.equal(style.status, 200);
    assert.equal(style.headers.get('content-type'), 'text/css; charset=utf-8');
    assert.match(style.text, /color-scheme: light dark/);
    assert.equal((await ask('/robots.txt')).text, 'User-agent: *\nDisallow: /\n');
  });

  it('of hostile texts is text', async (t) => {
    const helo = `<script>alert(1)</script>"onload='x' &lt; \u202egnp.exe\x1b[2J\0`;
    const { ask, desk, post } = await opened(t, { decisions: [refused(ID, `the name ${helo} is none`)] });
    const { text } = await ask(`/r/${ID}`);
    assert.match(
      text,
      /&lt;script&gt;alert\(1\)&lt;\/script&gt;&quot;onload=&#39;x&#39; &amp;lt; \?gnp\.exe\?\[2J\?/,
    );
    // As they were typed, in a form that could not be taken.
    const again = await post(`/r/${ID}`, {
      text: `</textarea>${helo}`,
      contact: `"><b>${helo}`,
      website: 'x',
    });
    assert.equal(again.status, 400);
    assert.match(again.text, /&lt;\/textarea&gt;&lt;script&gt;/);
    assert.match(again.text, /value="&quot;&gt;&lt;b&gt;/);
    await post(`/r/${ID}`, { ...form, text: helo, contact: helo });
    const { id, ...report } = desk.reports.of(ID)!;
    assert.doesNotMatch(report.text + report.contact, /[\0\x1b\u202e]/);
    desk.reports.answer(id, { state: 'declined', text: helo, by: helo });
    const answered = (await ask(`/r/${ID}`)).text;
    for (const shown of [text, again.text, answered]) {
      assert.doesNotMatch(shown, /<script|<b>|[\0\x1b\u202e]/);
      assert.equal(shown.match(/<textarea/g)?.length, shown.match(/<\/textarea/g)?.length);
    }
    assert.match(answered, /&lt;script&gt;/);
  });
});

describe('a report', () => {
  it('is filed once, waits, and shows the answer', async (t) => {
    const { ask, post, desk } = await opened(t);
    const filed = await post(`/r/${ID}`, {
      text: ' It is\r\nmended ',
      contact: ' ann@example.net\r\n',
      website: '',
    });
    assert.equal(filed.status, 303);
    assert.equal(filed.headers.get('location'), ID);
    const { atMs, id, ...report } = desk.reports.of(ID)!;
    assert.deepEqual(report, {
      decision: ID,
      network: '127.0.0.0/24',
      contact: 'ann@example.net',
      text: 'It is\nmended',
      state: 'open',
    });
    assert.equal(atMs, 2_000_000);
    assert.deepEqual(desk.reports.byCheck(0), { fcrdns: 1 });

    const waiting = (await ask(`/r/${ID}`)).text;
    assert.match(waiting, /Reported, waiting/);
    assert.doesNotMatch(waiting, /<form|mended |ann@example/);
    assert.equal((await post(`/r/${ID}`, form)).status, 303);
    assert.equal(desk.reports.list({}).length, 1);

    desk.reports.answer(id, { state: 'declined', text: 'Your DNS is\nstill broken', by: 'xenia' });
    const declined = (await ask(`/r/${ID}`)).text;
    assert.match(declined, /Declined[^]*Your DNS is\nstill broken/);
    assert.doesNotMatch(declined, /<form|xenia|Let in/);
    desk.reports.answer(id, { state: 'let-in', text: 'Sorry', by: 'xenia' });
    assert.match((await ask(`/r/${ID}`)).text, /Let in[^]*send it\s+again[^]*Sorry/);
    assert.equal((await post(`/r/${ID}`, form)).status, 303);
    assert.equal(desk.reports.list({}).length, 1);
  });

  const bad: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ['without a text', { ...form, text: ' \r\n\u200b' }, /Please write/],
    ['with a text that is too long', { ...form, text: 'x'.repeat(2001) }, /longer than 2000/],
    ['with an address that is too long', { ...form, contact: 'x'.repeat(255) }, /longer than 254/],
    [
      'by a program that fills in everything',
      { ...form, website: 'https://example.com' },
      /has to stay empty/,
    ],
    ['without fields', {}, /Please write/],
  ];
  for (const [name, fields, why] of bad)
    it(`${name} is not filed`, async (t) => {
      const { post, desk } = await opened(t);
      const { status, text } = await post(`/r/${ID}`, fields);
      assert.equal(status, 400);
      assert.match(text, why);
      assert.equal(desk.reports.open(), 0);
    });

  it('of the longest kind is filed, in any script', async (t) => {
    const { post, desk } = await opened(t);
    const { status } = await post(`/r/${ID}`, {
      text: '語'.repeat(2000),
      contact: '語'.repeat(254),
      website: '',
    });
    assert.equal(status, 303);
    assert.equal(desk.reports.of(ID)?.text.length, 2000);
  });

  it('that is no form of ours is not read', async (t) => {
    const { ask, post, desk } = await opened(t);
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }])
      assert.equal((await post(`/r/${ID}`, form, headers)).status, 403);
    const json = {
      method: 'POST',
      body: JSON.stringify(form),
      headers: { 'content-type': 'application/json' },
    };
    assert.equal((await ask(`/r/${ID}`, json)).status, 415);
    assert.equal((await post(`/r/${ID}`, { ...form, text: 'x'.repeat(20_480) })).status, 413);
    assert.equal(desk.reports.open(), 0);
    assert.equal((await post(`/r/${ID}`, form, { origin: URL_OF_PAGE })).status, 303);
  });

  it('of a deferral is not taken', async (t) => {
    const reply = refusal('defer', 'greylist', { text: 'come again' }, { contact: 'c', id: ID });
    const { ask, post, desk } = await opened(t, {
      decisions: [{ ...refused(), outcome: 'deferred', check: 'greylist', reply }],
    });
    const { status, text } = await ask(`/r/${ID}`);
    assert.equal(status, 200);
    assert.match(text, /has to wait[^]*try again by itself/);
    assert.doesNotMatch(text, /<form/);
    assert.equal((await post(`/r/${ID}`, form)).status, 409);
    assert.equal(desk.reports.open(), 0);
  });

  it('too many of one network is told so, and what was typed is kept', async (t) => {
    const ids = ['AAAAAAA1', 'AAAAAAA2'];
    const { post, desk, later } = await opened(t, {
      decisions: ids.map((id) => refused(id)),
      reportsPerHour: 1,
    });
    assert.equal((await post('/r/AAAAAAA1', form)).status, 303);
    const { status, headers, text } = await post('/r/AAAAAAA2', form);
    assert.equal(status, 429);
    assert.equal(headers.get('retry-after'), '3600');
    assert.match(text, /too many reports[^]*We have mended our DNS/);
    assert.equal(desk.reports.open(), 1);
    later(3_600_000);
    assert.equal((await post('/r/AAAAAAA2', form)).status, 303);
  });
});

describe('reports of one refused client', () => {
  it('are few, from however many networks they come', async (t) => {
    const ids = ['AAAAAAA1', 'AAAAAAA2', 'AAAAAAA3'];
    const others = { client: { address: '203.0.113.5', port: 1 } };
    const { post } = await opened(t, {
      decisions: ids.map((id, i) => {
        const one = refused(id);
        return i < 2 ? one : { ...one, session: { ...one.session, ...others } };
      }),
      reportsPerHour: 1,
      proxies: ['127.0.0.1'],
    });
    const statuses: number[] = [];
    for (const [i, id] of ids.entries())
      statuses.push((await post(`/r/${id}`, form, { 'x-forwarded-for': `198.51.${i}.1` })).status);
    assert.deepEqual(statuses, [303, 429, 303]);
  });
});

describe('ids', () => {
  it('that never were, of accepted messages and of sessions look the same', async (t) => {
    const decisions = [
      refused(),
      decision({ id: 'ACCEPTED', outcome: 'accepted', reply: replies.delivered('ACCEPTED'), recipients: [] }),
      decision({ id: 'ABAND0ND', outcome: 'abandoned', reply: undefined, recipients: [] }),
    ];
    const { ask, post, desk } = await opened(t, { decisions });
    const none = await ask('/r/NEVERWAS');
    assert.equal(none.status, 404);
    assert.match(none.text, /There is no refusal by this id, or it is too old/);
    assert.doesNotMatch(none.text, /NEVERWAS|<form/);
    for (const path of ['/r/ACCEPTED', '/r/ABAND0ND', `/r/S${ID}`, '/r/x', "/r/'--"]) {
      const { status, text } = await ask(path);
      assert.deepEqual({ path, status, text }, { path, status: none.status, text: none.text });
    }
    const posted = await post('/r/ACCEPTED', form);
    assert.deepEqual([posted.status, posted.text], [none.status, none.text]);
    assert.equal(desk.reports.list({}).length, 0);
  });

  it('cannot be tried out: a network has ten tries a minute, then finds nothing at all', async (t) => {
    const { ask, later } = await opened(t);
    const statuses: number[] = [];
    for (let n = 0; n < 12; n++) statuses.push((await ask(`/r/NEVER00${n}`)).status);
    assert.deepEqual(statuses, [...Array<number>(10).fill(404), 429, 429]);
    const { status, headers } = await ask(`/r/${ID}`);
    assert.equal(status, 429);
    assert.ok(Number(headers.get('retry-after')) >= 1);
    later(1000);
    assert.equal((await ask(`/r/${ID}`)).status, 200);
  });

  it('are looked at so many times a minute', async (t) => {
    const { ask, later } = await opened(t, { limits: { looksPerMinute: 3 } });
    for (const expected of [200, 200, 200, 429]) assert.equal((await ask(`/r/${ID}`)).status, expected);
    later(60_000);
    assert.equal((await ask(`/r/${ID}`)).status, 200);
  });
});

describe('the network of a visitor', () => {
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });

  it('is not what he says', async (t) => {
    const { ask, post, desk, troubles } = await opened(t, { limits: { looksPerMinute: 2 } });
    await post(`/r/${ID}`, form, { 'x-forwarded-for': '198.51.100.1' });
    assert.equal(desk.reports.of(ID)?.network, '127.0.0.0/24');
    assert.equal((await ask(`/r/${ID}`, from('198.51.100.2'))).status, 200);
    assert.equal((await ask(`/r/${ID}`, from('203.0.113.3'))).status, 429);
    // It may be a web server that the operator forgot to name.
    assert.equal(troubles.length, 1);
    assert.match(String(troubles[0]), /127\.0\.0\.1 sends X-Forwarded-For and is none of `proxies`/);
  });

  it('is what the web server before the page says, whatever he says himself', async (t) => {
    const { ask, post, desk, troubles } = await opened(t, {
      limits: { looksPerMinute: 2 },
      proxies: ['127.0.0.1'],
    });
    await post(`/r/${ID}`, form, { 'x-forwarded-for': '203.0.113.9, 198.51.100.1' });
    assert.equal(desk.reports.of(ID)?.network, '198.51.100.0/24');
    assert.equal((await ask(`/r/${ID}`, from('10.0.0.1, 198.51.100.2'))).status, 200);
    assert.equal((await ask(`/r/${ID}`, from('10.0.0.2, 198.51.100.3'))).status, 429);
    assert.equal((await ask(`/r/${ID}`, from('203.0.113.3'))).status, 200);
    assert.deepEqual(troubles, []);
  });

  it('is by the proxies of this moment', async (t) => {
    const { ask, reload } = await opened(t, { limits: { looksPerMinute: 1 }, proxies: ['127.0.0.1'] });
    assert.equal((await ask(`/r/${ID}`, from('198.51.100.2'))).status, 200);
    reload({ proxies: networkSet(['203.0.113.1']) });
    assert.equal((await ask(`/r/${ID}`, from('198.51.101.2'))).status, 200);
    assert.equal((await ask(`/r/${ID}`, from('198.51.102.2'))).status, 429);
  });
});

describe('the listener', () => {
  it('serves nothing else', async (t) => {
    const { ask } = await opened(t);
    const gone = [
      '/',
      '/r',
      `/r/${ID}/`,
      `/r/${ID}/x`,
      '/api/me',
      '/login',
      '/metrics',
      '/index.html',
      '/r/../api/now',
      '/%2e%2e/etc/passwd',
      '/r/%ff',
      `/r/${'A'.repeat(500)}`,
    ];
    for (const path of gone) {
      const { status, text } = await ask(path);
      assert.deepEqual({ path, status, text }, { path, status: 404, text: 'Not found\n' });
      assert.equal((await ask(path, { method: 'POST', body: 'x' })).status >= 404, true, path);
    }
  });

  it('knows the methods that it serves', async (t) => {
    const { ask } = await opened(t);
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const { status, headers } = await ask(`/r/${ID}`, { method });
      assert.deepEqual([method, status, headers.get('allow')], [method, 405, 'GET, HEAD, POST']);
    }
    const { status, headers } = await ask('/robots.txt', { method: 'POST' });
    assert.deepEqual([status, headers.get('allow')], [405, 'GET, HEAD']);
    const head = await ask(`/r/${ID}`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.text], [200, '']);
  });

  it('cuts off who is slow, and who speaks no HTTP', async (t) => {
    const { port } = await opened(t, { limits: { requestMs: 100 } });
    const said = (text: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(text));
        let heard = '';
        socket.setEncoding('latin1').on('data', (part: string) => (heard += part));
        socket.on('close', () => resolve(heard)).on('error', reject);
      });
    assert.match(await said('EHLO x\r\n\r\n'), /^HTTP\/1\.1 400 Bad Request\r\n/);
    const slow = `POST /r/${ID} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntext=`;
    assert.match(await said(slow), /^(?:HTTP\/1\.1 4\d\d |$)/);
    assert.match(await said('GET /r/x HTTP/1.1\r\n'), /^(?:HTTP\/1\.1 4\d\d |$)/);
  });

  it('lets nobody take all of its connections, but a proxy that is named', async (t) => {
    const { ask, port, reload } = await opened(t, { limits: { connectionsOfOne: 3 } });
    const held = async (most: number): Promise<Socket[]> => {
      const sockets: Socket[] = [];
      for (let n = 0; n < most; n++) {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined);
        onEnd(t, async () => void socket.destroy());
        await once(socket, 'connect');
        sockets.push(socket);
      }
      return sockets;
    };
    const isClosed = (socket: Socket) =>
      Promise.race([once(socket.resume(), 'close').then(() => true), sleep(200, false)]);
    const [first, second, third, fourth] = await held(4);
    assert.ok(first && second && third && fourth);
    assert.equal(await isClosed(fourth), true);
    assert.equal(await isClosed(third), false);
    await assert.rejects(ask('/robots.txt'));
    first.destroy();
    second.destroy();
    await sleep(20);
    assert.equal((await ask('/robots.txt', { headers: { connection: 'close' } })).status, 200);
    reload({ proxies: networkSet(['127.0.0.1']) });
    await held(5);
    assert.equal((await ask('/robots.txt')).status, 200);
  });

  it('reads few of the decisions of a session', async (t) => {
    const asked: unknown[] = [];
    const { ask } = await opened(t, {
      journal: {
        find: async (query) => {
          asked.push(query);
          return [];
        },
      },
    });
    assert.equal((await ask(`/r/${ID}`)).status, 404);
    assert.deepEqual(asked, [{ id: ID, limit: 3 }]);
  });

  it('says no more of trouble than that there is some', async (t) => {
    const { ask, troubles } = await opened(t, {
      journal: { find: () => Promise.reject(new Error('secret: disk I/O error')) },
    });
    const { status, text } = await ask(`/r/${ID}`);
    assert.equal(status, 503);
    assert.doesNotMatch(text, /secret|Error/);
    assert.equal(troubles.length, 1);
  });

  it('asks the journal for so many at a time', async (t) => {
    const waiting: (() => void)[] = [];
    const asked = Promise.withResolvers<undefined>();
    const { ask } = await opened(t, {
      journal: {
        find: () =>
          new Promise((resolve) => {
            waiting.push(() => resolve([]));
            if (waiting.length === 16) asked.resolve(undefined);
          }),
      },
      limits: { looksPerMinute: 1000 },
    });
    const sixteen = Array.from({ length: 16 }, () => ask(`/r/${ID}`));
    await asked.promise;
    assert.equal((await ask(`/r/${ID}`)).status, 503);
    for (const go of waiting) go();
    for (const { status } of await Promise.all(sixteen)) assert.equal(status, 404);
  });
});
