import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { openDatabase } from '../sqlite.ts';
import { Logins, LOGINS } from './logins.ts';

function opened(cleanup: Cleanup, max?: number) {
  const clock = { ms: 1000 };
  const db = openDatabase(':memory:', [LOGINS]);
  onEnd(cleanup, () => db.close());
  const logins = new Logins(db, () => clock.ms, max);
  return { logins, at: (ms: number) => void (clock.ms = ms) };
}

const login = (user: string, endsMs = 2000) => ({
  user,
  endsMs,
  csrf: `csrf-${user}`,
  fingerprint: `print-${user}`,
});

describe('logins', () => {
  it('begin and end, one or all of a user', (t) => {
    const { logins } = opened(t);
    for (const [hash, user] of [
      ['h1', 'eve'],
      ['h2', 'eve'],
      ['h3', 'eve'],
      ['h4', 'ann'],
    ] as const)
      logins.begin(hash, login(user));
    assert.deepEqual(logins.find('h1'), login('eve'));
    logins.end('h1');
    logins.end('h1');
    assert.equal(logins.find('h1'), undefined);
    logins.endAll('eve');
    assert.deepEqual(
      ['h2', 'h3', 'h4'].map((h) => logins.find(h)?.user),
      [undefined, undefined, 'ann'],
    );
  });

  it('are over at their time', (t) => {
    const { logins, at } = opened(t);
    logins.begin('h1', login('eve'));
    at(1999);
    assert.ok(logins.find('h1'));
    at(2000);
    assert.equal(logins.find('h1'), undefined);
    logins.expire();
    at(0);
    assert.equal(logins.find('h1'), undefined);
  });

  it('are bounded: those that end soonest make room, never the new one', (t) => {
    const { logins } = opened(t, 2);
    logins.begin('h1', login('eve', 3000));
    logins.begin('h2', login('eve', 4000));
    logins.begin('h3', login('eve', 2000));
    assert.deepEqual(
      ['h1', 'h2', 'h3'].map((h) => logins.find(h)?.endsMs),
      [undefined, 4000, 2000],
    );
  });
});
