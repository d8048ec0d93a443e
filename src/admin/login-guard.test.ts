import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BY_NETWORK, BY_PROVEN, BY_USER, LoginGuard, MAX_KNOWN } from './login-guard.ts';

const opened = () => {
  const clock = { ms: 1_000_000 };
  return { clock, guard: new LoginGuard(() => clock.ms) };
};

describe('guessing passwords', () => {
  it('is slow after some tries of one network, and slower with each', () => {
    const { clock, guard } = opened();
    for (let i = 0; i < BY_NETWORK.free; i++) assert.equal(guard.try('192.0.2.0/24', `user${i}`), 0);
    const waits: number[] = [];
    for (let i = 0; i < 15; i++) {
      const waitMs = guard.try('192.0.2.0/24', `other${i}`);
      waits.push(waitMs);
      clock.ms += waitMs - 1;
      assert.equal(guard.try('192.0.2.0/24', `other${i}`), 1);
      clock.ms += 1;
      assert.equal(guard.try('192.0.2.0/24', `other${i}`), 0);
    }
    assert.deepEqual(waits.slice(0, 4), [1000, 2000, 4000, 8000]);
    assert.equal(waits.at(-1), BY_NETWORK.longestMs);
  });

  it('of one user is slow from everywhere, but its owner is not locked out for long', () => {
    const { guard } = opened();
    for (let i = 0; i < BY_USER.free; i++) assert.equal(guard.try(`192.0.${i}.0/24`, 'ann'), 0);
    assert.ok(guard.try('198.51.100.0/24', 'ann') > 0);
    assert.equal(guard.try('198.51.100.0/24', 'bob'), 0);
    assert.ok(BY_USER.longestMs <= 60_000);
  });

  it('from everywhere does not hold up a user where it has come in before', () => {
    const { guard } = opened();
    assert.equal(guard.try('203.0.113.0/24', 'ann'), 0);
    guard.succeeded('203.0.113.0/24', 'ann');
    for (let i = 0; i < BY_USER.free; i++) assert.equal(guard.try(`192.0.${i}.0/24`, 'ann'), 0);
    assert.ok(guard.try('198.51.100.0/24', 'ann') > 0);
    assert.equal(guard.try('203.0.113.0/24', 'ann'), 0);
    assert.ok(guard.try('203.0.114.0/24', 'ann') > 0);
  });

  it('of others in the same network does not hold up a user that has come in from there before', () => {
    const { clock, guard } = opened();
    const network = '127.0.0.0/24';
    assert.equal(guard.try(network, 'ann'), 0);
    guard.succeeded(network, 'ann');
    for (let i = 0; i < 20; i++) {
      clock.ms += guard.try(network, `other${i}`);
      guard.try(network, `other${i}`);
    }
    assert.ok(guard.try(network, 'bob') > 0);
    for (let i = 0; i < BY_PROVEN.free; i++) assert.equal(guard.try(network, 'ann'), 0);
    // Whoever knows the name guesses slowly there too, and holds up its owner for short.
    for (let i = 0; i < 20; i++) {
      const waitMs = guard.try(network, 'ann');
      assert.ok(waitMs > 0 && waitMs <= BY_PROVEN.longestMs);
      clock.ms += waitMs;
      assert.equal(guard.try(network, 'ann'), 0);
    }
    assert.ok(BY_PROVEN.longestMs <= 60_000);
  });

  it('all at once gets no further than one after the other', () => {
    const { guard } = opened();
    const lookedAt = Array.from({ length: 100 }, () => guard.try('192.0.2.0/24', 'ann')).filter(
      (ms) => ms === 0,
    );
    assert.equal(lookedAt.length, BY_NETWORK.free);
  });

  it('is forgotten with a success, and after an hour', () => {
    const { clock, guard } = opened();
    for (let i = 0; i <= BY_NETWORK.free; i++) guard.try('192.0.2.0/24', 'ann');
    assert.ok(guard.try('192.0.2.0/24', 'ann') > 0);
    guard.succeeded('192.0.2.0/24', 'ann');
    assert.equal(guard.try('192.0.2.0/24', 'ann'), 0);
    for (let i = 0; i < BY_NETWORK.free; i++) guard.try('192.0.2.0/24', 'ann');
    assert.ok(guard.try('192.0.2.0/24', 'ann') > 0);
    clock.ms += 3_600_000;
    assert.equal(guard.try('192.0.2.0/24', 'ann'), 0);
  });

  it('holds nothing against whose password nobody could look at', () => {
    const { guard } = opened();
    for (let i = 0; i < 100; i++) {
      assert.equal(guard.try('192.0.2.0/24', 'ann'), 0);
      guard.undone('192.0.2.0/24', 'ann');
    }
    assert.equal(guard.known, 0);
    guard.succeeded('192.0.2.0/24', 'ann');
    for (let i = 0; i < 100; i++) {
      assert.equal(guard.try('192.0.2.0/24', 'ann'), 0);
      guard.undone('192.0.2.0/24', 'ann');
    }
  });

  it('remembers a bounded number', () => {
    const { guard } = opened();
    for (let i = 0; i < MAX_KNOWN; i++) guard.try(`n${i}`, `u${i}`);
    assert.equal(guard.known, MAX_KNOWN);
    guard.try('one more', 'one more');
    assert.equal(guard.known, MAX_KNOWN);
  });
});
