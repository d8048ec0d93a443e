import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import { checkSchema } from '../config/checks.ts';
import type { AnyCheck } from '../core/check.ts';
import type { ScanFailure, Scanner, ScannersPort, ScanQuestion } from '../core/scanners.ts';
import { hearingOf, type Exemption } from '../core/exemption.ts';
import { site } from '../../test/fakes/ask.ts';
import { clamav } from './clamav.ts';
import { rspamd } from './rspamd.ts';
import { readScannerAddress, scannerSettingsOf, type Scanning } from './scanning.ts';
import { spamassassin } from './spamassassin.ts';

const SAID = { from: 'anna@example.net', helo: 'mail.example.net', message: 'Subject: x\r\n\r\nbody\r\n' };
const address = '127.0.0.1:1';

/** A scanner that answers so, whichever it is, and what it was asked. */
function scanners(answer: object) {
  const asked: ScanQuestion[] = [];
  const scanner: Scanner<never> = {
    scan: async (question) => {
      asked.push(question);
      return answer as ScanFailure;
    },
    probe: async () => undefined,
  };
  const port: ScannersPort = { clamav: scanner, spamassassin: scanner, rspamd: scanner };
  return { ports: { scanners: port }, asked };
}

describe('the address of a scanner', () => {
  const cases: [text: string, address: object | undefined][] = [
    ['127.0.0.1:3310', { kind: 'tcp', host: '127.0.0.1', port: 3310 }],
    ['[::1]:3310', { kind: 'tcp', host: '::1', port: 3310 }],
    ['Clamd.Example.org:1', { kind: 'tcp', host: 'clamd.example.org', port: 1 }],
    ['/run/clamav/clamd.ctl', { kind: 'unix', path: '/run/clamav/clamd.ctl' }],
    [`/${'x'.repeat(106)}`, { kind: 'unix', path: `/${'x'.repeat(106)}` }],
    [`/${'x'.repeat(107)}`, undefined],
    ['/run/\0', undefined],
    ['run/clamd.ctl', undefined],
    ['127.0.0.1', undefined],
    ['127.0.0.1:0', undefined],
    ['127.0.0.1:65536', undefined],
    ['::1:3310', undefined],
    ['http://127.0.0.1:11333', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of cases)
    it(JSON.stringify(text.slice(0, 40)), () => assert.deepEqual(readScannerAddress(text), expected));

  it('is asked for in words', () => {
    const { error } = checkSchema(clamav).safeParse({ address: 'clamd' });
    assert.equal(
      error?.issues[0]?.message,
      'wants an address with its port, or the path of a socket, such as "/run/clamav/clamd.ctl"',
    );
  });
});

const CHECKS: readonly AnyCheck[] = [clamav, spamassassin, rspamd];
for (const check of CHECKS) {
  describe(`${check.name}, without a verdict`, () => {
    const cases: [answer: object, result: string, code: string, text: RegExp][] = [
      [{ kind: 'too-large' }, 'fail', 'too-large', /too large for the \w+ scanner \(20 octets\)$/],
      [{ kind: 'busy', reason: 'two wait' }, 'temperror', 'busy', /scanner is busy: two wait$/],
      [{ kind: 'failed', reason: 'dead \u2620' }, 'temperror', 'temperror', /gave no verdict: dead \?$/],
      [{ kind: 'failed', reason: 'x'.repeat(1000) }, 'temperror', 'temperror', /x{200}$/],
    ];
    for (const [answer, result, code, text] of cases) {
      it(JSON.stringify(answer).slice(0, 60), async () => {
        const { findings } = await ask(check, SAID, scanners(answer).ports, { address });
        assert.deepEqual(
          findings.map((f) => [f.result, f.code]),
          [[result, code]],
        );
        assert.match(findings[0]!.text, text);
        // What a scanner says of itself is for the operator.
        if (result === 'temperror')
          assert.match(findings[0]?.shownText ?? '', /^the \w+ scanner (?:is busy|gave no verdict)$/);
      });
    }

    it('at the limit is asked, above it is a finding of its own, and nobody is asked', async () => {
      const message = (octets: number) => ({ ...SAID, message: 'x'.repeat(octets) });
      const { ports, asked } = scanners({ kind: 'busy', reason: 'x' });
      const settings = { address, max_size: '1KiB' };
      const [at] = (await ask(check, message(1024), ports, settings)).findings;
      const [above] = (await ask(check, message(1025), ports, settings)).findings;
      assert.deepEqual([at?.code, above?.code, asked.length], ['busy', 'too-large', 1]);
    });

    it('in a trial there is nothing to scan', async () => {
      const { ports, asked } = scanners({ kind: 'busy', reason: 'x' });
      const { message: _, ...said } = SAID;
      const settings = checkSchema(check).parse({ address }) as never;
      const evidence = await check.gather?.(
        { ...said, message: { sizeOctets: 1 } } as never,
        { ...ports } as never,
        settings,
        new AbortController().signal,
        site,
        { suspicion: 0, found: () => [] },
      );
      const [finding] = check.judge(
        { message: { sizeOctets: 1 } } as never,
        evidence ?? null,
        settings,
        site,
      );
      assert.deepEqual([finding?.result, finding?.code, asked.length], ['none', 'no-message', 0]);
    });

    it('defers where nothing is connected', async () => {
      const [finding] = (await ask(check, SAID, {}, { address })).findings;
      assert.deepEqual([finding?.result, finding?.code], ['temperror', 'temperror']);
      assert.equal(check.defaults.on_temperror, 'defer');
      assert.equal(check.defaults.actions?.['too-large'], 'tag');
    });

    it('is idle without an address', () => {
      const of = (said: object) => check.idle?.(checkSchema(check).parse(said) as never, site);
      assert.deepEqual([of({}), of({ address })], ['no address is configured', undefined]);
    });

    it('tells the adapter what the settings say', () => {
      const settings = (said: object) =>
        scannerSettingsOf(checkSchema(check).parse(said) as unknown as Scanning);
      assert.equal(settings({}), undefined);
      assert.deepEqual(settings({ address, at_once: 3, max_waiting: 0, wait: '0s', timeout: '1s' }), {
        address: { kind: 'tcp', host: '127.0.0.1', port: 1 },
        atOnce: 3,
        maxWaiting: 0,
        waitMs: 0,
        timeoutMs: 1000,
      });
    });

    it('names the client by what reverse DNS confirmed', async () => {
      const { ports, asked } = scanners({ kind: 'busy', reason: 'x' });
      const found = (name: string) =>
        name === 'fcrdns'
          ? [{ result: 'pass', code: 'ok', text: 'x', domain: 'mail.example.net' } as const]
          : [];
      await ask(check, SAID, ports, { address }, { suspicion: 0, found });
      await ask(check, SAID, ports, { address });
      assert.deepEqual(
        asked.map(({ hostName, by }) => [hostName, by]),
        [
          ['mail.example.net', 'mx.example.org'],
          [undefined, 'mx.example.org'],
        ],
      );
    });
  });
}

it('viruses are lifted by name only, spam by any exemption', () => {
  const heard = (of: Partial<Exemption>) =>
    CHECKS.map((check) =>
      hearingOf(
        {
          exemptions: [{ reason: 'x', source: 'x', lifts: 'all', about: 'client', ...of }],
          refusalsAreTags: false,
        },
        check,
      ),
    );
  assert.deepEqual(heard({}), ['full', 'none', 'none']);
  assert.deepEqual(heard({ about: 'envelope' }), ['full', 'tags', 'tags']);
  assert.deepEqual(heard({ about: 'envelope', lifts: ['clamav'] }), ['none', 'full', 'full']);
});
