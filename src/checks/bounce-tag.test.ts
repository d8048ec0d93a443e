import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, site } from '../../test/fakes/ask.ts';
import type { Recipient } from '../core/recipient.ts';
import { bounceTag } from './bounce-tag.ts';

const JOE = { local: 'joe', domain: 'example.org' };
const STRANGE = { local: 'prvs=0123abcdef=jo\u00e9', domain: 'example.org' };

describe('bounce-tag', () => {
  const cases: [from: string, tag: Recipient['tag'], result: string, code: string][] = [
    ['<>', undefined, 'none', 'untagged'],
    ['<>', 'valid', 'pass', 'valid'],
    ['<>', 'expired', 'fail', 'expired'],
    ['<>', 'wrong', 'fail', 'wrong'],
    ['a@example.net', 'valid', 'none', 'has-sender'],
    ['a@example.net', 'expired', 'none', 'has-sender'],
    ['a@example.net', 'wrong', 'none', 'has-sender'],
  ];
  for (const [from, tag, result, code] of cases)
    it(`${code}: ${from} to ${tag ?? 'no'} tag`, async () => {
      const to = tag === undefined ? JOE : { ...(tag === 'wrong' ? STRANGE : JOE), tag };
      const { findings } = await ask(bounceTag, { from, to });
      assert.deepEqual(
        findings.map((f) => [f.result, f.code]),
        [[result, code]],
      );
    });

  it('runs only where there are keys', () => {
    const idle = (batvKeys?: typeof site.batvKeys) => bounceTag.idle?.({} as never, { ...site, batvKeys });
    assert.match(idle() ?? '', /batv_keys/);
    assert.match(idle([]) ?? '', /batv_keys/);
    assert.equal(idle([{ number: 0, secret: '0123456789abcdef' }]), undefined);
  });
});
