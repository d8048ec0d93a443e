import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onEnd } from '../../test/program.ts';
import { MachineLoad } from './load.ts';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const block = (ms: number) => {
  const until = performance.now() + ms;
  while (performance.now() < until);
};

describe('the load of the machine', () => {
  it('has the delay of the event loop since the last look, also where every turn of the loop is slow', async (t) => {
    const load = new MachineLoad();
    onEnd(t, () => load.close());
    await pause(60);
    load.read(0);
    const slow: number[] = [];
    for (let i = 0; i < 3; i++) {
      block(150);
      await pause(0);
      await pause(0);
      slow.push(load.read(0).eventLoopDelayMs);
    }
    // The first may still have a part of the calm before it.
    assert.ok(Math.max(...slow) >= 40, String(slow));
    const blocked = Math.max(...slow);
    await pause(400);
    const after = load.read(0).eventLoopDelayMs;
    assert.ok(after < blocked, `${after} after ${blocked}`);
  });

  it('has the memory against the limit given, or the machine', (t) => {
    const load = new MachineLoad();
    onEnd(t, () => load.close());
    const { rss } = process.memoryUsage();
    const { memoryPercent } = load.read(rss * 2);
    assert.ok(memoryPercent > 5 && memoryPercent <= 60, String(memoryPercent));
    assert.ok(load.read(rss / 4).memoryPercent > 100);
    const ofMachine = load.read(0).memoryPercent;
    assert.ok(ofMachine > 0 && ofMachine < 100, String(ofMachine));
  });

  it('has a load average for each core', (t) => {
    const load = new MachineLoad();
    onEnd(t, () => load.close());
    const { loadAverage } = load.read(0);
    assert.ok(loadAverage >= 0 && Number.isFinite(loadAverage));
  });
});
