import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DECISIONS, openApi } from '../../../test/admin-api.ts';
import type { DecisionList, DecisionStory, ListAnswer } from '../api.ts';
import { problem } from '../schemas.ts';

describe('decisions over the API', () => {
  it('finds decisions, a page after the other', async (t) => {
    const { get, raw } = await openApi(t);
    const ids: string[] = [];
    let before: string | undefined;
    do {
      const page = await get<DecisionList>(
        `/api/decisions?limit=4${before === undefined ? '' : `&before=${before}`}`,
      );
      ids.push(...page.decisions.map(({ id }) => id));
      before = page.before;
    } while (before !== undefined);
    assert.deepEqual(ids.toSorted(), DECISIONS.map(({ id }) => id).toSorted());
    const found = async (query: string) =>
      (await get<DecisionList>(`/api/decisions?${query}`)).decisions.map(({ id }) => id).toSorted();
    assert.deepEqual(await found('client=192.0.2.200'), ['REFUSEDC']);
    assert.deepEqual(await found('check=clamav'), ['VIRUS']);
    assert.deepEqual(await found('outcome=deferred'), ['BACKEND']);
    assert.deepEqual(await found('id=REFUSEDA'), ['REFUSEDA']);
    assert.deepEqual(await found(`sender=${encodeURIComponent('<>')}`), ['BOUNCE']);
    for (const bad of ['client=nonsense', 'outcome=maybe', 'limit=0', 'limit=501', 'since=x']) {
      const { status, json } = await raw('GET', `/api/decisions?${bad}`);
      assert.equal(status, 400, bad);
      assert.ok(problem.safeParse(json).success);
    }
  });

  it('tells each decision as a story', async (t) => {
    const { get, raw } = await openApi(t);
    for (const { id } of DECISIONS) {
      const story = await get<DecisionStory>(`/api/decisions/${id}`, '/api/decisions/:id');
      assert.equal(story.decision.id, id);
      assert.ok(story.verdict.length > 10);
      assert.ok(story.story.some(({ kind }) => kind === 'verdict'));
    }
    const one = await get<DecisionStory>('/api/decisions/REFUSEDA', '/api/decisions/:id');
    assert.match(
      one.verdict,
      /^Refused by dnsbl:listed – 192\.0\.2\.7 is listed\. The client was told: 550 5\.7\.1/,
    );
    const check = one.story.find(({ kind }) => kind === 'check');
    assert.deepEqual([check?.check, check?.tone], ['dnsbl', 'refuse']);
    assert.match(check?.evidence ?? '', /zen\.example/);
    assert.deepEqual(one.session.map(({ id }) => id).toSorted(), ['REFUSEDB', 'REFUSEDC']);
    const many = await get<DecisionStory>('/api/decisions/DELIVERED', '/api/decisions/:id');
    assert.match(many.verdict, /to 1 of 2 recipients\. It was marked: spf:softfail\./);
    assert.equal((await raw('GET', '/api/decisions/NOTHERE')).status, 404);
    assert.equal((await raw('GET', '/api/decisions/SESSION1')).status, 404);
  });

  it('counts what an entry would let in, and changes nothing until it is asked to', async (t) => {
    const { admin, send } = await openApi(t);
    const ask = (what: string, body: object, id = 'REFUSEDA') =>
      send<ListAnswer>(
        'POST',
        `/api/decisions/${id}/${what}`,
        { reason: 'a mistake', ...body },
        `/api/decisions/:id/${what}`,
      );
    const dry = await ask('let-in', { scope: 'client', dryRun: true });
    assert.equal(dry.entry, 'client 192.0.2.7');
    // Of the same client: REFUSEDB, BOUNCE (by helo) and DMARC is lifted by its name alone, VIRUS by none, BACKEND is not ours.
    assert.deepEqual(dry.examples.map(({ id }) => id).toSorted(), ['BOUNCE', 'REFUSEDB']);
    assert.equal(dry.alsoAffected, 2);
    assert.ok(dry.notLifted.some((text) => text.startsWith('relay: ')));
    assert.equal(dry.listed, undefined);
    assert.equal(admin.store.listed.list().length, 0);
    const network = await ask('let-in', { scope: 'network', dryRun: true });
    assert.match(network.entry, /^network 192\.0\.2\.0\/\d+$|^client 192\.0\.2\.7$/);
    const narrow = await ask('let-in', { scope: 'sender', recipientOnly: true, dryRun: true });
    assert.equal(narrow.entry, 'sender ann@example.net to Bob@example.org');
    assert.ok(narrow.notes.some((note) => note.includes('whoever writes this one comes in')));

    const done = await ask('let-in', { scope: 'client', lastsMs: 3_600_000 });
    const [listed] = admin.store.listed.list();
    assert.equal(listed?.id, done.listed?.id);
    assert.deepEqual(
      [listed?.kind, listed?.client, listed?.by, listed?.decision, listed?.reason],
      ['allow', '192.0.2.7', 'admin', 'REFUSEDA', 'a mistake'],
    );
    assert.ok(Math.abs((listed?.endsMs ?? 0) - Date.now() - 3_600_000) < 60_000);

    const block = await ask('block', { scope: 'domain', dryRun: true });
    assert.equal(block.entry, 'senders of example.net');
    assert.deepEqual(
      block.examples.map(({ id }) => id),
      ['DELIVERED'],
    );
    const undone = await ask('block', { scope: 'client' });
    assert.ok(
      undone.notes.includes(
        `An allow entry lets this in all the same: ${listed?.source} (a mistake); remove entry ${listed?.id}`,
      ),
      undone.notes.join(),
    );
    // The client is let in, so nothing of its mail is stopped by its sender either.
    const sender = await ask('block', { scope: 'sender', dryRun: true });
    assert.ok(
      sender.notes.some((note) => note.startsWith('An allow entry lets this in')),
      sender.notes.join(),
    );
    assert.equal(admin.store.listed.list({ kind: 'block' }).length, 1);
  });

  it('lets a message in past DMARC by its name alone, and past a virus scanner never', async (t) => {
    const { send } = await openApi(t);
    const ask = (id: string) =>
      send<ListAnswer>(
        'POST',
        `/api/decisions/${id}/let-in`,
        { scope: 'client', reason: 'x' },
        '/api/decisions/:id/let-in',
      );
    const dmarc = await ask('DMARC');
    assert.deepEqual(dmarc.listed?.lifts, ['dmarc']);
    const virus = await ask('VIRUS');
    assert.equal(virus.listed?.lifts, undefined);
    assert.ok(virus.notes.some((note) => note.startsWith('It would not have let this message in')));
    const backend = await ask('BACKEND');
    assert.ok(backend.notes.some((note) => note.includes('no check stopped it')));
  });

  it('ends the blocks of whom it lets in, and says so', async (t) => {
    const { admin, send } = await openApi(t);
    const convict = (network: string) =>
      admin.store.blocks.convict({
        network,
        reason: 'x',
        evidence: 'REFUSEDA',
        by: 'dnsbl',
        firstMs: 9e6,
        factor: 2,
        longestMs: 9e9,
        forgottenMs: 9e9,
      });
    convict('192.0.2.7');
    admin.store.blocks.add({
      network: '192.0.0.0/16',
      reason: 'by hand',
      endsMs: Date.now() + 9e6,
      by: 'operator',
    });
    admin.store.commit();
    const body = { scope: 'client', reason: 'x' };
    const done = await send<ListAnswer>(
      'POST',
      '/api/decisions/REFUSEDA/let-in',
      body,
      '/api/decisions/:id/let-in',
    );
    assert.deepEqual(done.notes, ['The block of 192.0.2.7 ends, and what was held against it is forgotten']);
    assert.deepEqual(
      admin.store.blocks.list().map(({ network }) => network),
      ['192.0.0.0/16'],
    );
  });

  it('searches as people type', async (t) => {
    const { get, raw } = await openApi(t);
    const { decisions } = await get<DecisionList>('/api/decisions?id=refuseda');
    assert.deepEqual(
      decisions.map(({ id }) => id),
      ['REFUSEDA'],
    );
    assert.deepEqual((await get<DecisionList>('/api/decisions?check=rhsbl')).decisions, []);
    const cases: readonly [query: string, field: string, error: RegExp][] = [
      ['since=2&until=1', 'until', /^until: is before since/],
      ['check=dnsbll', 'check', /^check: there is no check dnsbll; did you mean dnsbl\?$/],
      ['check=zzzzzzzzz', 'check', /^check: there is no check zzzzzzzzz; there are .*suspicion$/],
      ['since=yesterday', 'since', /^since: wants a time in milliseconds since 1970$/],
      ['until=1.5', 'until', /^until: wants a time in milliseconds since 1970$/],
      ['limit=0', 'limit', /^limit: wants a number of 1 or more$/],
      ['outcome=refusd', 'outcome', /^outcome: wants one of .*; did you mean refused\?$/],
      ['sender=', 'sender', /^sender: is empty; write something$/],
      ['client=nonsense', 'client', /^client: wants an address or a network/],
    ];
    for (const [query, field, error] of cases) {
      const answer = await raw('GET', `/api/decisions?${query}`);
      assert.equal(answer.status, 400, query);
      const said = problem.parse(answer.json);
      assert.match(said.error, error);
      assert.equal(said.field, field);
    }
  });

  it('refuses entries that make no sense, with the field', async (t) => {
    const { admin, raw } = await openApi(t);
    const cases: readonly [string, object, number, string?][] = [
      ['BOUNCE', { scope: 'sender', reason: 'x' }, 422, 'scope'],
      ['BOUNCE', { scope: 'domain', reason: 'x' }, 422, 'scope'],
      ['NOBODY', { scope: 'sender', reason: 'x' }, 422, 'scope'],
      ['NOBODY', { scope: 'recipient', reason: 'x' }, 422, 'recipientOnly'],
      ['REFUSEDA', { scope: 'client', reason: ' ' }, 400, 'reason'],
      ['REFUSEDA', { scope: 'client' }, 400, 'reason'],
      ['REFUSEDA', { reason: 'x' }, 400, 'scope'],
      ['REFUSEDA', { scope: 'client', reason: 5 }, 400, 'reason'],
      ['REFUSEDA', { scope: 'world', reason: 'x' }, 400, 'scope'],
      ['REFUSEDA', { scope: 'client', reason: 'x', lastsMs: 1 }, 400, 'lastsMs'],
      ['REFUSEDA', { scope: 'client', reason: 'x', other: 1 }, 400],
      ['REFUSEDA', { scope: 'recipient', recipient: 'no@example.org', reason: 'x' }, 422, 'recipientOnly'],
    ];
    for (const [id, body, status, field] of cases) {
      const answer = await raw('POST', `/api/decisions/${id}/let-in`, body);
      assert.equal(answer.status, status, JSON.stringify(body));
      const said = problem.parse(answer.json);
      if (field !== undefined) assert.equal(said.field, field);
      // The library's own words are for programmers.
      assert.doesNotMatch(said.error, /Invalid|Too |expected|NaN|>=/);
    }
    const blocked = await raw('POST', '/api/decisions/REFUSEDA/block', { scope: 'recipient', reason: 'x' });
    assert.equal(blocked.status, 422);
    assert.equal(admin.store.listed.list().length, 0);
  });

  it('marks, and teaches only what it remembers', async (t) => {
    const { send, get, raw } = await openApi(t);
    await send('POST', '/api/decisions/REFUSEDA/mark', { judgement: 'wanted' }, '/api/decisions/:id/mark');
    const { decisions } = await get<DecisionList>('/api/decisions?id=REFUSEDA');
    assert.equal(decisions[0]?.mark, 'wanted');
    await send('POST', '/api/decisions/REFUSEDA/mark', { judgement: null }, '/api/decisions/:id/mark');
    const again = await get<DecisionStory>('/api/decisions/REFUSEDA', '/api/decisions/:id');
    assert.equal(again.mark, undefined);
    assert.equal(again.teachable, false);
    assert.equal((await raw('POST', '/api/decisions/REFUSEDA/teach', { kind: 'ham' })).status, 409);
  });
});
