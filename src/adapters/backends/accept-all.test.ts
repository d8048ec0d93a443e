import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEFERS, FakeBackend, REFUSES, type Behaviour } from '../../../test/fakes/backend.ts';
import { ACCEPT_ALL } from '../../core/accept-all.ts';
import type { Json } from '../../core/check.ts';
import { isFailure, type Delivery } from '../../core/delivery.ts';
import type { StorePort } from '../../core/ports.ts';
import { reply } from '../../mail/reply.ts';
import { AcceptAllWatch, type AcceptAllSettings } from './accept-all.ts';

const NEVER = new AbortController().signal;
const DAY = 86_400_000;
const ENVELOPE = {
  reversePath: { local: 'a', domain: 'example.net' },
  parameters: {},
  client: { address: '192.0.2.7', port: 1 },
};

/** A watch with one clock and a store that forgets in time, over a backend that takes `user` and does so with all others. */
function world(others: Behaviour, settings: Partial<AcceptAllSettings> = {}) {
  let nowMs = 1_000_000;
  const kept = new Map<string, { value: Json; endsMs: number }>();
  const told: string[] = [];
  const troubles: string[] = [];
  const store: StorePort = {
    recall: (space, key) => {
      const row = kept.get(`${space} ${key}`);
      return row === undefined || row.endsMs <= nowMs ? undefined : row.value;
    },
    remember: (space, key, value, keptMs) =>
      void kept.set(`${space} ${key}`, { value, endsMs: nowMs + keptMs }),
    forget: () => undefined,
  };
  const all: AcceptAllSettings = {
    store,
    hostName: 'mx.example.org',
    isOurs: (domain) => domain.endsWith('example.org'),
    everyMs: 7 * DAY,
    nowMs: () => nowMs,
    newId: () => 'K7Q2MX4D',
    onAcceptAll: (domain, url) => void told.push(`${domain} ${url}`),
    onTrouble: (what, error) => void troubles.push(`${what}: ${String(error)}`),
    ...settings,
  };
  const backend = new FakeBackend();
  backend.at.rcpt = others;
  backend.mailboxes.set('user@example.org', 'takes');
  let watch = new AcceptAllWatch(all);
  let watched = watch.watching(backend);
  return {
    backend,
    kept,
    told,
    troubles,
    pass: (ms: number) => void (nowMs += ms),
    /** As a reload or a restart does. */
    renew: () => {
      watch = new AcceptAllWatch(all);
      watched = watch.watching(backend);
    },
    watched: () => watched,
    /** One transaction with one recipient, and what is asked after it. */
    deliver: async (domain = 'example.org') => {
      const begun = await watched.begin(ENVELOPE, NEVER);
      assert.ok(!isFailure(begun));
      await begun.rcpt({ local: 'user', domain }, {}, NEVER);
      await watch.idle();
      begun.abort();
      return begun;
    },
    probes: () => backend.calls.filter((call) => call.startsWith('rcpt nobody')),
  };
}

describe('a backend that takes any recipient', () => {
  it('is found with the null sender, for a recipient that nobody has, and nothing is sent', async () => {
    const w = world('takes');
    await w.deliver();
    assert.deepEqual(w.backend.calls, [
      'begin',
      'rcpt user@example.org',
      'begin',
      'rcpt nobodyk7q2mx4d@example.org',
      'abort',
      'abort',
    ]);
    assert.equal(w.backend.envelopes[1]!.reversePath, null);
    assert.deepEqual(w.told, ['example.org fake:']);
    assert.deepEqual(w.kept.get(`${ACCEPT_ALL} example.org`)!.value, {
      acceptsAll: true,
      askedAtMs: 1_000_000,
    });
  });

  it('is asked again after that time, and the operator told once', async () => {
    const w = world('takes');
    for (let i = 0; i < 3; i++) await w.deliver();
    w.pass(7 * DAY - 1);
    await w.deliver();
    w.renew();
    await w.deliver();
    assert.equal(w.probes().length, 1);
    w.pass(1);
    await w.deliver();
    assert.equal(w.probes().length, 2);
    assert.equal(w.told.length, 1);
  });

  it('is told of again when it had been mended in between', async () => {
    const w = world('takes');
    await w.deliver();
    w.backend.at.rcpt = REFUSES;
    w.pass(7 * DAY);
    await w.deliver();
    assert.deepEqual(w.kept.get(`${ACCEPT_ALL} example.org`)!.value, {
      acceptsAll: false,
      askedAtMs: 1_000_000 + 7 * DAY,
    });
    w.backend.at.rcpt = 'takes';
    w.pass(7 * DAY);
    await w.deliver();
    assert.equal(w.told.length, 2);
  });

  it('is asked for each domain of ours, and for no other', async () => {
    const w = world('takes');
    await w.deliver('example.org');
    await w.deliver('lists.example.org');
    await w.deliver('example.com');
    assert.equal(w.probes().length, 2);
    assert.equal(w.told.length, 2);
  });
});

describe('a backend that refuses whom it does not know', () => {
  it('is known as such, and nobody is told', async () => {
    const w = world(REFUSES);
    await w.deliver();
    assert.deepEqual(w.kept.get(`${ACCEPT_ALL} example.org`)!.value, {
      acceptsAll: false,
      askedAtMs: 1_000_000,
    });
    assert.deepEqual(w.told, []);
    w.renew();
    await w.deliver();
    assert.equal(w.probes().length, 1);
  });

  it('is not asked while it takes nobody', async () => {
    const w = world(REFUSES);
    await w.deliver('lists.example.org');
    assert.equal(w.probes().length, 0);
  });
});

describe('a backend that does not say', () => {
  const unsure: [name: string, behaviour: Behaviour][] = [
    ['defers', DEFERS],
    ['dies', 'dies'],
    ['refuses who asks', reply(550, '5.7.1', 'Null sender not allowed')],
  ];
  for (const [name, behaviour] of unsure) {
    it(`because it ${name} is asked again in an hour`, async () => {
      const w = world(behaviour);
      await w.deliver();
      w.pass(3_600_000 - 1);
      await w.deliver();
      assert.deepEqual([w.probes().length, w.kept.size], [1, 0]);
      w.pass(1);
      await w.deliver();
      assert.equal(w.probes().length, 2);
    });
  }

  it('because it takes no null sender holds nobody up', async () => {
    const w = world('takes');
    const begun = (await w.watched().begin(ENVELOPE, NEVER)) as Delivery;
    w.backend.at.begin = REFUSES;
    const answer = await begun.rcpt({ local: 'user', domain: 'example.org' }, {}, NEVER);
    assert.equal(answer.kind === 'replied' && answer.reply.code, 250);
    await w.watched().close();
    assert.deepEqual([w.probes().length, w.kept.size], [0, 0]);
    assert.equal(w.backend.calls.at(-1), 'close');
  });

  it('because of a bug is the operator’s trouble, never the client’s', async () => {
    const w = world('throws');
    await w.deliver();
    assert.equal(w.troubles.length, 1);
  });
});

it('a store that is ill is the operator’s trouble, never the client’s', async () => {
  const recall = () => Promise.reject(new Error('gone'));
  const w = world('takes', { store: { recall, remember: () => undefined, forget: () => undefined } });
  await w.deliver();
  assert.deepEqual(w.troubles, ['what the backend takes could not be remembered: Error: gone']);
  assert.equal(w.probes().length, 0);
});

it('a watched backend is the same backend to all others', async () => {
  const w = world('takes');
  const watched = w.watched();
  assert.equal(watched.url, w.backend.url);
  assert.deepEqual(watched.capabilities(), w.backend.capabilities());
  assert.equal(await watched.probe(NEVER), undefined);
  w.backend.at.begin = DEFERS;
  assert.deepEqual(await watched.probe(NEVER), { kind: 'replied', reply: DEFERS });
  assert.deepEqual(await watched.begin(ENVELOPE, NEVER), { kind: 'replied', reply: DEFERS });
});

it('asks a few at a time, and no more once it is closed', async () => {
  let recalls = 0;
  let release: (value: undefined) => void = () => undefined;
  const held = new Promise<undefined>((resolve) => (release = resolve));
  const recall = () => {
    recalls += 1;
    return held;
  };
  const w = world('takes', { store: { recall, remember: () => undefined, forget: () => undefined } });
  const begun = (await w.watched().begin(ENVELOPE, NEVER)) as Delivery;
  const take = (domain: string) => begun.rcpt({ local: 'user', domain }, {}, NEVER);
  for (let i = 0; i < 20; i++) await take(`d${i}.example.org`);
  assert.equal(recalls, 4);
  release(undefined);
  await w.watched().close();
  await take('late.example.org');
  assert.equal(recalls, 4);
});
