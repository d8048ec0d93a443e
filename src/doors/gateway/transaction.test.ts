import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEFERS, FakeBackend, REFUSES, type Behaviour } from '../../../test/fakes/backend.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import { BackendTransaction } from './transaction.ts';

const SIGNAL = new AbortController().signal;
const [a, b, elsewhere] = ['a@example.org', 'b@example.org', 'a@example.com'].map((text) => {
  const [local = '', domain = ''] = text.split('@');
  return { local, domain };
}) as [Mailbox, Mailbox, Mailbox];
const MESSAGE = { sizeOctets: 3, chunks: () => [Buffer.from('x\r\n')] };

function open(options: { limit?: number; gone?: () => boolean } = {}) {
  const capabilities = options.limit === undefined ? {} : { recipientsPerTransaction: options.limit };
  const [one, two] = [new FakeBackend({ capabilities }), new FakeBackend()];
  const transaction = new BackendTransaction(
    { reversePath: null, parameters: {} },
    async () => ({ address: '192.0.2.7', port: 40_000 }),
    ({ domain }) => (domain === 'example.com' ? two : one),
    options.gone ?? (() => false),
  );
  return { transaction, one, two };
}

describe("the backend's side of a transaction", () => {
  it('begins once, takes recipients of one backend, sends once', async () => {
    const { transaction, one, two } = open();
    assert.ok(transaction.fits(a) && transaction.fits(elsewhere));
    transaction.about(a, {});
    assert.equal(transaction.answer(), undefined);
    const answer = await transaction.ask(a, SIGNAL);
    assert.equal(answer.kind, 'replied');
    assert.equal(transaction.answer(), answer);
    assert.deepEqual([transaction.fits(b), transaction.fits(elsewhere)], [true, false]);
    transaction.about(b, {});
    assert.equal(transaction.answer(), undefined);
    await transaction.ask(b, SIGNAL);
    assert.equal((await transaction.send(MESSAGE)).kind, 'replied');
    assert.deepEqual(await transaction.send(MESSAGE), {
      kind: 'unreachable',
      reason: 'no recipient was taken',
    });
    transaction.abort();
    assert.deepEqual(one.calls, ['begin', 'rcpt a@example.org', 'rcpt b@example.org', 'send']);
    assert.deepEqual(two.calls, []);
    assert.equal(one.taken.length, 1);
  });

  it('takes as many as the backend can', async () => {
    const { transaction } = open({ limit: 2 });
    await transaction.ask(a, SIGNAL);
    assert.ok(transaction.fits(b));
    await transaction.ask(b, SIGNAL);
    assert.ok(!transaction.fits(a));
  });

  it('delivers nothing together with a recipient that was taken and refused all the same', async () => {
    const { transaction, one } = open();
    await transaction.ask(a, SIGNAL);
    await transaction.ask({ local: 'b', domain: 'example.org' }, SIGNAL);
    transaction.renounce();
    assert.equal((await transaction.send(MESSAGE)).kind, 'unreachable');
    assert.equal(one.calls.at(-1), 'abort');
    assert.deepEqual(one.taken, []);
  });

  it('begins anew after its only recipient was refused all the same', async () => {
    const { transaction, one } = open();
    await transaction.ask(a, SIGNAL);
    transaction.renounce();
    await transaction.ask({ local: 'b', domain: 'example.org' }, SIGNAL);
    await transaction.send(MESSAGE);
    assert.deepEqual(one.taken[0]!.recipients, ['b@example.org']);
  });

  it('does not count a recipient that the backend took too late', async () => {
    const { transaction, one } = open();
    const late = new AbortController();
    late.abort();
    assert.equal((await transaction.ask(a, late.signal)).kind, 'unreachable');
    assert.equal((await transaction.send(MESSAGE)).kind, 'unreachable');
    assert.deepEqual(one.taken, []);
  });

  it('changes the backend while it has nobody', async () => {
    const { transaction, one, two } = open();
    one.at.rcpt = REFUSES;
    await transaction.ask(a, SIGNAL);
    assert.ok(transaction.fits(elsewhere));
    await transaction.ask(elsewhere, SIGNAL);
    await transaction.send(MESSAGE);
    assert.deepEqual(one.calls, ['begin', 'rcpt a@example.org', 'abort']);
    assert.deepEqual(two.taken[0]!.recipients, ['a@example.com']);
  });

  for (const does of ['dies', REFUSES, DEFERS] satisfies Behaviour[]) {
    it(`begins anew after ${does === 'dies' ? 'a death' : does.code} at begin`, async () => {
      const { transaction, one } = open();
      one.at.begin = does;
      const answer = await transaction.ask(a, SIGNAL);
      assert.deepEqual(
        answer,
        does === 'dies'
          ? { kind: 'unreachable', reason: 'it died' }
          : { kind: 'replied', reply: does, of: 'transaction' },
      );
      one.at.begin = 'takes';
      assert.equal((await transaction.ask(a, SIGNAL)).kind, 'replied');
      assert.deepEqual(one.calls, ['begin', 'begin', 'rcpt a@example.org']);
    });
  }

  it('begins anew where the connection died with nobody taken, and not where somebody was', async () => {
    const { transaction, one } = open();
    one.at.rcpt = 'dies';
    await transaction.ask(a, SIGNAL);
    one.at.rcpt = 'takes';
    await transaction.ask(a, SIGNAL);
    assert.deepEqual(one.calls, ['begin', 'rcpt a@example.org', 'abort', 'begin', 'rcpt a@example.org']);
    one.at.rcpt = 'dies';
    assert.equal((await transaction.ask(b, SIGNAL)).kind, 'unreachable');
    one.at.rcpt = 'takes';
    assert.equal((await transaction.ask(b, SIGNAL)).kind, 'unreachable');
    assert.equal((await transaction.send(MESSAGE)).kind, 'unreachable');
    assert.deepEqual(one.taken, []);
  });

  it('is given up where the client left while it began', async () => {
    const { transaction, one } = open({ gone: () => true });
    assert.equal((await transaction.ask(a, SIGNAL)).kind, 'unreachable');
    assert.deepEqual(one.calls, ['begin', 'abort']);
    assert.equal((await transaction.send(MESSAGE)).kind, 'unreachable');
  });

  it('delivers nothing after abort', async () => {
    const { transaction, one, two } = open();
    transaction.abort();
    await transaction.ask(a, SIGNAL);
    transaction.abort();
    transaction.abort();
    assert.equal((await transaction.send(MESSAGE)).kind, 'unreachable');
    assert.deepEqual(one.calls, ['begin', 'rcpt a@example.org', 'abort']);
    assert.ok(transaction.fits(elsewhere));
    await transaction.ask(elsewhere, SIGNAL);
    assert.deepEqual(two.calls, ['begin', 'rcpt a@example.com']);
  });
});
