import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ask, factsOf, site } from '../../test/fakes/ask.ts';
import { checkSchema } from '../config/checks.ts';
import { NO_CLUES } from '../core/clues.ts';
import type { Block, Ports } from '../core/ports.ts';
import type { CommonSettings } from '../core/settings.ts';
import { shortTermBlock } from './short-term-block.ts';

const CONVICTED: Block = {
  network: '192.0.2.7',
  reason: '<old@example.org> is no mailbox here',
  evidence: 'K7Q2MX4D',
  by: 'spam-trap',
  convictions: 1,
  sinceMs: 0,
  endsMs: Date.UTC(2026, 10, 21, 8, 29, 1),
};

const portsOf = (found: Block | undefined, good = 0): Partial<Ports> => ({
  blocks: { covering: () => found, convict: () => assert.fail('a check convicts nobody') },
  standing: { of: () => ({ good, bad: 1 }), note: () => assert.fail('a check notes nothing') },
});

describe('short-term-block', () => {
  it('passes a client that no block covers, and asks without a promise', async () => {
    const { findings, evidence } = await ask(shortTermBlock, {}, portsOf(undefined));
    assert.deepEqual([evidence, findings[0]!.code], [null, 'free']);
    const gathered = shortTermBlock.gather!(
      factsOf({}),
      portsOf(CONVICTED) as Ports,
      checkSchema(shortTermBlock).parse({}) as CommonSettings,
      AbortSignal.abort(),
      site,
      NO_CLUES,
    );
    assert.deepEqual(gathered, { ...CONVICTED, delivered: false });
  });

  const cases: [what: string, changes: Partial<Block>, text: string][] = [
    [
      'convicted: why, until when, and on what evidence',
      {},
      // Which address it was is for the operator alone.
      '192.0.2.7 is blocked until 2026-11-21 08:30 UTC: an address is no mailbox here (id K7Q2MX4D)',
    ],
    [
      'a network that the operator blocked',
      { network: '192.0.2.0/24', by: 'operator', evidence: '', reason: 'floods us' },
      '192.0.2.7 (in 192.0.2.0/24) is blocked by the operator until 2026-11-21 08:30 UTC: floods us',
    ],
    [
      'a time that no calendar has',
      { endsMs: 1e300, reason: 'x' },
      '192.0.2.7 is blocked until +275760-09-13 00:00 UTC: x (id K7Q2MX4D)',
    ],
    [
      'a reason that would move a terminal',
      { reason: 'a\u001b[2J\r\n250 ok\u202e' },
      '192.0.2.7 is blocked until 2026-11-21 08:30 UTC: a?[2J??250 ok? (id K7Q2MX4D)',
    ],
  ];
  for (const [what, changes, text] of cases) {
    it(`says of ${what}`, async () => {
      const { findings } = await ask(shortTermBlock, {}, portsOf({ ...CONVICTED, ...changes }));
      assert.deepEqual(findings, [
        {
          result: 'fail',
          code: changes.by === 'operator' ? 'listed' : 'doubtful',
          text,
          enhanced: '5.7.1',
          replyCode: 554,
        },
      ]);
    });
  }

  const operators = { by: 'operator', evidence: '' };
  const codes: [what: string, changes: Partial<Block>, good: number, code: string][] = [
    ['its first conviction', {}, 0, 'doubtful'],
    ['its second one', { convictions: 2 }, 0, 'listed'],
    ['one more, with a good message in living memory', { convictions: 3 }, 0.5, 'doubtful'],
    ['one more, with none', { convictions: 3 }, 0.49, 'listed'],
    ['what the operator wants, whoever it is', operators, 50, 'listed'],
    ['what he wants of one that was convicted before', { ...operators, convictions: 1 }, 0, 'listed'],
  ];
  for (const [what, changes, good, code] of codes)
    it(`${what}: ${code}`, async () => {
      const { findings } = await ask(shortTermBlock, {}, portsOf({ ...CONVICTED, ...changes }, good));
      assert.equal(findings[0]!.code, code);
    });

  it('waits for a store that is elsewhere', async () => {
    const blocks = { ...portsOf(undefined).blocks!, covering: async () => CONVICTED };
    const standing = { ...portsOf(undefined).standing!, of: async () => ({ good: 1, bad: 0 }) };
    const { findings } = await ask(shortTermBlock, {}, { blocks, standing });
    assert.equal(findings[0]!.code, 'doubtful');
  });

  it('judges any entry, in a text that a reply line holds', () => {
    const settings = checkSchema(shortTermBlock).parse({}) as CommonSettings;
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), fc.double(), (reason, endsMs) => {
        const evidence = { ...CONVICTED, reason, endsMs, delivered: false };
        const [finding] = shortTermBlock.judge(factsOf({}), evidence, settings, site);
        assert.match(finding!.text, /^[\x20-\x7e]{1,300}$/);
      }),
    );
  });

  it('keeps its refusal until RCPT, where postmaster can still be reached', () => {
    const { on_fail, refuse_at } = shortTermBlock.defaults;
    assert.deepEqual([on_fail, refuse_at, shortTermBlock.lifted], ['refuse', 'rcpt', 'by-any']);
    assert.deepEqual(shortTermBlock.defaults.actions, { doubtful: 'defer' });
  });

  it('wants the longest block to be no shorter than the first', () => {
    const schema = checkSchema(shortTermBlock);
    assert.ok(schema.safeParse({ first: '2h', longest: '2h' }).success);
    const { error } = schema.safeParse({ first: '2h', longest: '1h' });
    assert.deepEqual(
      error?.issues.map((i) => [i.path, i.message]),
      [[['longest'], 'wants to be at least as long as `first`']],
    );
  });
});
