import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask } from '../../test/fakes/ask.ts';
import type { VirusVerdict } from '../core/scanners.ts';
import { clamav } from './clamav.ts';

const SAID = { from: 'anna@example.net', message: 'Subject: x\r\n\r\nbody\r\n' };

const judged = async (answer: VirusVerdict) => {
  const scanners = { clamav: { scan: async () => answer, probe: async () => undefined } };
  const { findings } = await ask(clamav, SAID, { scanners }, { address: '/run/clamd.ctl' });
  assert.equal(findings.length, 1);
  return findings[0]!;
};

describe('clamav', () => {
  it('lets in what is clean', async () => {
    const { result, code } = await judged({ kind: 'clean' });
    assert.deepEqual([result, code], ['pass', 'clean']);
  });

  const cases: [name: string, code: string, charge: string | undefined][] = [
    ['Win.Test.EICAR_HDB-1', 'infected', 'conviction'],
    ['Eicar-Test-Signature.UNOFFICIAL', 'infected', 'conviction'],
    ['Phishing.Heuristics.Email', 'infected', 'conviction'],
    ['Heuristics.Encrypted.Zip', 'heuristic', undefined],
    ['Heuristics.Phishing.Email.SpoofedDomain', 'heuristic', undefined],
    ['PUA.Win.Packer.UPX', 'heuristic', undefined],
  ];
  for (const [name, code, charge] of cases) {
    it(`${name}: ${code}`, async () => {
      const { text, ...finding } = await judged({ kind: 'infected', name });
      assert.deepEqual(finding, { result: 'fail', code, enhanced: '5.7.1', replyCode: 554 });
      assert.equal(text, `the message is infected: ClamAV found ${name}`);
      assert.equal(clamav.charges?.[code], charge);
    });
  }

  it('refuses by default', () => {
    assert.equal(clamav.defaults.on_fail, 'refuse');
    assert.equal(clamav.lifted, 'by-name');
  });
});
