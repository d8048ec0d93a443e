import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openLooks } from './looks.ts';

function opened(perMinute: number, most?: number) {
  const clock = { ms: 0 };
  const looks = openLooks(perMinute, () => clock.ms, most);
  const many = (network: string, times: number, cost?: number) =>
    Array.from({ length: times }, () => looks.take(network, cost)).filter(Boolean).length;
  return { looks, many, later: (ms: number) => void (clock.ms += ms) };
}

describe('looks', () => {
  it('are so many a minute, each network its own', () => {
    const { looks, many, later } = opened(60);
    assert.equal(many('a', 100), 60);
    assert.equal(looks.take('b'), true);
    assert.equal(looks.waitS('a'), 1);
    later(999);
    assert.equal(looks.take('a'), false);
    later(1);
    assert.equal(many('a', 2), 1);
    later(3_600_000);
    assert.equal(many('a', 100), 60);
  });

  it('cost more where they find nothing', () => {
    const { looks, many } = opened(60);
    assert.equal(many('a', 100, 6), 10);
    assert.equal(looks.take('a', 0), false);
  });

  it('say how long to wait', () => {
    const { looks, many, later } = opened(6);
    assert.equal(many('a', 7), 6);
    assert.equal(looks.waitS('a'), 10);
    later(4000);
    assert.equal(looks.waitS('a'), 6);
    assert.equal(looks.waitS('never seen'), 1);
  });

  it('do not gain by a clock that goes back', () => {
    const { many, looks, later } = opened(60);
    many('a', 60);
    later(-5000);
    assert.equal(looks.take('a'), false);
  });

  it('forget the network that looked longest ago, at the bound', () => {
    const { looks, many } = opened(2, 2);
    many('a', 2);
    many('b', 2);
    many('a', 1);
    many('c', 1);
    assert.equal(looks.take('a'), false);
    assert.equal(many('b', 1), 1);
  });
});
