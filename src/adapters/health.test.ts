import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Backend, BackendFailure } from '../core/delivery.ts';
import type { Scanner, ScanFailure, VirusVerdict } from '../core/scanners.ts';
import { Health } from './health.ts';

const REFUSED: BackendFailure = { kind: 'unreachable', reason: 'connection refused' };

function opened() {
  const clock = { ms: 1_000_000 };
  const health = new Health(() => clock.ms);
  const says = {
    begin: undefined as BackendFailure | undefined,
    probe: undefined as BackendFailure | undefined,
    probes: 0,
    tookMs: 0,
  };
  const delivery = {
    rcpt: () => Promise.reject(new Error('not asked')),
    send: () => Promise.reject(new Error('not asked')),
    abort: () => undefined,
  };
  const backend: Backend = health.backend({
    url: 'smtp://192.0.2.1:25',
    capabilities: () => ({ dsn: false, smtputf8: false, eightBitMime: false, recipientsPerTransaction: 1 }),
    begin: () => {
      clock.ms += says.tookMs;
      return Promise.resolve(says.begin ?? delivery);
    },
    probe: () => {
      says.probes += 1;
      return Promise.resolve(says.probe);
    },
    close: () => Promise.resolve(),
  });
  const begin = (signal = new AbortController().signal) =>
    backend.begin({ reversePath: null, parameters: {}, client: { address: '192.0.2.7', port: 1 } }, signal);
  const state = () => health.state()[0];
  return { clock, health, says, begin, state };
}

describe('how a backend is', () => {
  it('is not known before somebody has asked it', () =>
    assert.deepEqual(opened().state(), { kind: 'backend', name: 'smtp://192.0.2.1:25', state: 'unknown' }));

  it('follows from how it answered the last time', async () => {
    const { says, begin, state } = opened();
    says.begin = REFUSED;
    assert.equal(await begin(), REFUSED);
    assert.deepEqual([state()?.state, state()?.detail], ['ill', 'connection refused']);
    says.begin = { kind: 'replied', reply: { code: 421, enhanced: '4.3.2', lines: ['busy'] } };
    await begin();
    assert.equal(state()?.state, 'ok');
    says.begin = undefined;
    says.tookMs = 5000;
    await begin();
    assert.deepEqual([state()?.state, state()?.detail], ['slow', 'it took 5 s to answer']);
    says.tookMs = 4999;
    await begin();
    assert.equal(state()?.state, 'ok');
  });

  it('does not follow from a client that went', async () => {
    const { says, begin, state } = opened();
    await begin();
    says.begin = REFUSED;
    await begin(AbortSignal.abort());
    assert.equal(state()?.state, 'ok');
  });

  it('is asked for where nobody has for a while, and sooner where it was ill', async () => {
    const { clock, health, says, begin, state } = opened();
    const probed = async (afterMs: number) => {
      const before = says.probes;
      clock.ms += afterMs;
      health.probeStale();
      health.probeStale();
      await turn();
      return says.probes - before;
    };
    assert.equal(await probed(0), 1);
    assert.equal(state()?.state, 'ok');
    assert.equal(await probed(59_999), 0);
    says.probe = REFUSED;
    assert.equal(await probed(1), 1);
    assert.equal(state()?.state, 'ill');
    assert.equal(await probed(9_999), 0);
    says.probe = undefined;
    assert.equal(await probed(1), 1);
    assert.equal(state()?.state, 'ok');
    await begin();
    assert.equal(await probed(1), 0);
  });
});

describe('how a scanner is', () => {
  it('follows from its answers; a message that is too large is no illness', async () => {
    const health = new Health(() => 0);
    let answer: VirusVerdict | ScanFailure = { kind: 'clean' };
    const scanner: Scanner<VirusVerdict> | undefined = health.scanner('clamav', {
      scan: () => Promise.resolve(answer),
      probe: () => Promise.resolve(undefined),
    });
    const after = async (said: VirusVerdict | ScanFailure) => {
      answer = said;
      assert.equal(
        await scanner?.scan({} as Parameters<Scanner<VirusVerdict>['scan']>[0], new AbortController().signal),
        said,
      );
      const [state] = health.state();
      return [state?.kind, state?.name, state?.state, state?.detail];
    };
    assert.deepEqual(await after({ kind: 'clean' }), ['scanner', 'clamav', 'ok', undefined]);
    assert.deepEqual(await after({ kind: 'failed', reason: 'no answer' }), [
      'scanner',
      'clamav',
      'ill',
      'no answer',
    ]);
    assert.deepEqual(await after({ kind: 'too-large' }), ['scanner', 'clamav', 'ok', undefined]);
    answer = { kind: 'failed', reason: 'gone' };
    await scanner?.scan({} as Parameters<Scanner<VirusVerdict>['scan']>[0], AbortSignal.abort());
    assert.equal(health.state()[0]?.state, 'ok');
    assert.equal(health.scanner('rspamd', undefined), undefined);
    assert.equal(health.state().length, 1);
  });
});
