import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DECISIONS, STATUS, openApi } from '../../../test/admin-api.ts';
import type { DecisionStory, Effect, Lists, Now, QueueHistory, Settings } from '../api.ts';
import { ANSWERS } from '../route.ts';
import { problem } from '../schemas.ts';

describe('the API', () => {
  it('tells of the present', async (t) => {
    const { admin, get } = await openApi(t);
    const alone = await get<Now>('/api/now');
    assert.equal(alone.gate, undefined);
    admin.running.hear(STATUS);
    const now = await get<Now>('/api/now?minutes=120');
    assert.equal(now.gate?.pid, 4711);
    assert.equal('metrics' in now.gate, false);
    assert.equal(now.dependencies.length, 2);
    assert.equal(now.summary.received, DECISIONS.length);
    const seen = now.traffic.flatMap(({ outcomes }) => Object.values(outcomes)).reduce((a, b) => a + b, 0);
    assert.equal(seen, DECISIONS.length);
    const dns = now.funnel.find(({ cost }) => cost === 'dns');
    assert.equal(dns?.stopped, 3);
    assert.equal(dns.savedOctets, 3 * 2000);
  });

  it('keeps lists', async (t) => {
    const { send, get, raw } = await openApi(
      t,
      '[[block]]\nclient = "198.51.100.0/24"\nreason = "from the file"\n',
    );
    const listed = await send<{ id: number }>('POST', '/api/lists', {
      kind: 'allow',
      sender: '.example.net',
      reason: 'partner',
    });
    const lists = await get<Lists>('/api/lists');
    assert.deepEqual(
      lists.listed.map(({ sender }) => sender),
      ['.example.net'],
    );
    assert.equal(lists.fromFilesInAll, 1);
    assert.match(lists.fromFiles[0]?.source ?? '', /postern\.toml:\d+$/);
    assert.equal((await get<Lists>('/api/lists?text=FROM+THE+FILE')).fromFilesInAll, 1);
    assert.equal((await get<Lists>('/api/lists?kind=list-host')).fromFilesInAll, 0);
    await send('DELETE', `/api/lists/${listed.id}`, undefined, '/api/lists/:id');
    assert.equal((await raw('DELETE', `/api/lists/${listed.id}`)).status, 404);
    for (const body of [
      { kind: 'allow', reason: 'matches everything' },
      { kind: 'allow', client: 'nonsense', reason: 'x' },
      { kind: 'allow', sender: 'a@@b', reason: 'x' },
      { kind: 'allow', client: '192.0.2.7', lifts: ['no-such-check'], reason: 'x' },
      { kind: 'block', client: '192.0.2.7', lifts: ['dnsbl'], reason: 'x' },
    ]) {
      const { status, json } = await raw('POST', '/api/lists', body);
      assert.equal(status, 422, JSON.stringify(body));
      assert.ok(problem.safeParse(json).success);
    }
  });

  it('names the entries that win over a block that is made, and what else it cannot do', async (t) => {
    const { send } = await openApi(
      t,
      '[[allow]]\nsender = "joe@example.net"\nreason = "the file"\n' +
        '[checks.envelope-list]\non_fail = "off"\n',
      'networks = ["198.51.100.0/24"]\n',
    );
    const add = async (entry: object) =>
      (await send<{ notes: string[] }>('POST', '/api/lists', { ...entry, reason: 'x' })).notes;
    assert.deepEqual(await add({ kind: 'allow', client: '192.0.2.0/24' }), []);
    const [wins, ...more] = await add({ kind: 'block', client: '192.0.2.7' });
    assert.match(wins ?? '', /^An allow entry lets this in all the same: listed by .*; remove entry 1$/);
    assert.deepEqual(more, []);
    assert.deepEqual(await add({ kind: 'block', client: '203.0.113.7' }), []);
    assert.match((await add({ kind: 'block', client: '198.51.100.7' })).join(), /our own `networks`/);
    const sender = await add({ kind: 'block', sender: 'joe@example.net' });
    assert.match(sender.join('\n'), /^The check envelope-list is off.*\nAn allow entry .*postern\.toml:\d+/);
  });

  it('keeps blocks and the greylist', async (t) => {
    const { admin, send, get, raw } = await openApi(t);
    await send('POST', '/api/blocks', { network: '192.0.2.0/24', reason: 'x', lastsMs: 3_600_000 });
    const { blocks } = await get<{ blocks: { network: string }[] }>('/api/blocks?network=192.0.2.7');
    assert.deepEqual(
      blocks.map(({ network }) => network),
      ['192.0.2.0/24'],
    );
    await send('DELETE', '/api/blocks?network=192.0.2.0/24', undefined);
    assert.equal((await raw('DELETE', '/api/blocks?network=192.0.2.0/24')).status, 404);
    assert.equal((await raw('GET', '/api/blocks?network=nonsense')).status, 422);
    assert.equal(
      (await raw('POST', '/api/blocks', { network: '0.0.0.0/0', reason: 'x', lastsMs: 3_600_000 })).status,
      422,
    );
    await get('/api/greylist');
    await get('/api/greylist?text=example.net');
    const row = { client: '192.0.2.0/24', sender: 'a@example.net', recipient: 'b@example.org' };
    assert.equal((await raw('DELETE', '/api/greylist', row)).status, 404);
    assert.deepEqual(admin.troubles, []);
  });

  it('tells what checks did, and whether they could go', async (t) => {
    const { get } = await openApi(t);
    const effect = await get<Effect>('/api/effect');
    const dnsbl = effect.checks.find(({ check }) => check === 'dnsbl');
    assert.equal(dnsbl?.refused, 3);
    assert.equal(
      dnsbl.points.reduce((sum, { stopped }) => sum + stopped, 0),
      3,
    );
    assert.ok(
      dnsbl.points.every(({ sinceMs }) => sinceMs > effect.sinceMs - 3_600_000 && sinceMs <= effect.untilMs),
    );
    assert.equal(dnsbl.safeToTurnOff.safe, 'no');
    assert.ok(dnsbl.summary.length > 0);
  });

  it('tells of settings and of the queue', async (t) => {
    const { admin, get } = await openApi(
      t,
      '[queue_watch]\nfrom = "command"\ncommand = ["/bin/echo", "7"]\n[[queue_watch.alert]]\nabove = 5\n',
    );
    admin.running.hear({ ...STATUS, policy: 'another' });
    const settings = await get<Settings>('/api/settings');
    assert.equal(settings.gatePolicy, 'another');
    assert.match(settings.text, /host_name = "mx\.example\.org"/);
    const dnsbl = settings.checks.find(({ check }) => check === 'dnsbl');
    assert.ok(dnsbl?.settings.some(({ key, from }) => key === 'on_fail' && from === 'default'));
    let queue = await get<QueueHistory>('/api/queue');
    while (queue.now === undefined) {
      await new Promise((wake) => setTimeout(wake, 20));
      queue = await get<QueueHistory>('/api/queue');
    }
    assert.equal(queue.now.messages, 7);
    assert.equal(queue.watched, true);
    assert.equal(queue.alerts.length, 1);
  });

  it('judges again under another configuration', async (t) => {
    const { send, get, raw } = await openApi(t);
    const { text } = await get<Settings>('/api/settings');
    const { job } = await send<{ job: string }>('POST', '/api/what-if', { config: text });
    for (;;) {
      const { state } = await get<{ state: string }>(`/api/what-if/${job}`, '/api/what-if/:job');
      if (state !== 'running') break;
      await new Promise((wake) => setTimeout(wake, 20));
    }
    assert.equal((await raw('GET', '/api/what-if/none')).status, 404);
  });

  it('answers reports, and lets in with the same click', async (t) => {
    const { admin, send, get, raw } = await openApi(
      t,
      '[report_page]\nlisten = "127.0.0.1:0"\nurl = "https://mx.example.org"\n',
    );
    const { openDesk } = await import('../../adapters/desk/sqlite.ts');
    const desk = openDesk(`${admin.dir}/data/desk.sqlite`);
    t.after(() => desk.close());
    const file = (decision: string) => {
      const report = desk.reports.file({
        decision,
        network: '192.0.2.0/24',
        refused: '192.0.2.0/24',
        contact: '',
        text: 'we are no spammers',
      });
      assert.ok(typeof report === 'object');
      return report.id;
    };
    const [one, two, gone] = [file('REFUSEDA'), file('REFUSEDC'), file('FORGOTTEN')];
    const { reports } = await get<{
      reports: { report: { id: number }; decision?: unknown; refusal?: string }[];
    }>('/api/reports?state=open');
    assert.deepEqual(
      reports.map(({ report }) => report.id),
      [gone, two, one],
    );
    assert.equal(reports[0]?.decision, undefined);
    assert.match(reports[2]?.refusal ?? '', /^550/);
    const answer = (id: number, body: object) => raw('POST', `/api/reports/${id}/answer`, body);
    assert.equal((await answer(one, { state: 'let-in', text: 'sorry' })).status, 400);
    for (const said of [{ text: ' ' }, {}])
      assert.deepEqual((await answer(one, { state: 'declined', ...said })).json, {
        error: 'text: the sender reads it; write a sentence',
        field: 'text',
      });
    assert.equal((await answer(gone, { state: 'let-in', text: 'sorry', scope: 'client' })).status, 409);
    await send(
      'POST',
      `/api/reports/${one}/answer`,
      { state: 'let-in', text: 'sorry', scope: 'client' },
      '/api/reports/:id/answer',
    );
    assert.deepEqual(
      admin.store.listed.list().map(({ client, decision, reason }) => [client, decision, reason]),
      [['192.0.2.7', 'REFUSEDA', `report ${one}: sorry`]],
    );
    await send(
      'POST',
      `/api/reports/${two}/answer`,
      { state: 'declined', text: 'no' },
      '/api/reports/:id/answer',
    );
    assert.deepEqual(
      [desk.reports.find(one)?.state, desk.reports.find(two)?.state, desk.reports.open()],
      ['let-in', 'declined', 1],
    );
    assert.equal((await answer(999, { state: 'declined', text: 'no' })).status, 404);
    const story = await get<DecisionStory>('/api/decisions/REFUSEDA', '/api/decisions/:id');
    assert.equal(story.report?.answer?.by, 'admin');
  });

  it('has every route in its document, with schemas for what comes in and goes out', async (t) => {
    const { raw } = await openApi(t);
    const { json } = await raw('GET', '/api/openapi.json');
    const { paths } = json as {
      paths: Record<
        string,
        Record<string, { summary: string; requestBody?: unknown; responses: Record<string, unknown> }>
      >;
    };
    for (const route of ANSWERS.keys()) {
      const [method = '', url = ''] = route.split(' ');
      const found = paths[url.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
      assert.ok(found !== undefined, route);
      assert.ok(found.summary.length > 5, route);
      assert.ok(
        '200' in found.responses && '4XX' in found.responses,
        `${route}: ${Object.keys(found.responses).join()}`,
      );
    }
    assert.ok('/api/live' in paths && '/metrics' in paths);
  });
});
