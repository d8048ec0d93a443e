import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Conviction } from '../../src/core/ports.ts';
import { BEGIN_MS, DAY, HOUR, type Open, type Opened } from './store-opened.ts';

const CONVICTION: Conviction = {
  network: '192.0.2.7',
  reason: 'it wrote to a trap',
  evidence: 'K7Q2MX4D',
  by: 'spam-trap',
  firstMs: HOUR,
  factor: 2,
  longestMs: 7 * HOUR,
  forgottenMs: 10 * DAY,
};

/** Networks an operator blocks, and who is blocked then. */
const COVERED: readonly (readonly [network: string, yes: string, no: string])[] = [
  ['192.0.2.7', '192.0.2.7', '192.0.2.8'],
  ['192.0.2.7/32', '192.0.2.7', '192.0.2.6'],
  ['192.0.2.128/25', '192.0.2.255', '192.0.2.127'],
  ['10.0.0.0/8', '10.255.255.255', '11.0.0.0'],
  ['0.0.0.0/0', '203.0.113.9', '2001:db8::1'],
  ['2001:db8::5', '2001:db8::5', '2001:db8::4'],
  ['2001:DB8:0::/48', '2001:db8:0:ffff::1', '2001:db8:1::1'],
  ['2001:db8::4/127', '2001:db8::5', '2001:db8::6'],
  ['::/0', '2001:db8::1', '192.0.2.7'],
  ['::ffff:192.0.2.0/120', '192.0.2.9', '192.0.3.9'],
];

/** Convictions of one client: when, and for how many hours it is blocked then. */
const SENTENCES: readonly (readonly [
  name: string,
  steps: readonly (readonly [atMs: number, nth: number, hours: number])[],
])[] = [
  [
    'grow by the factor up to the longest',
    [
      [0, 1, 1],
      [DAY, 2, 2],
      [2 * DAY, 3, 4],
      [3 * DAY, 4, 7],
      [4 * DAY, 5, 7],
    ],
  ],
  [
    'grow while it is blocked',
    [
      [0, 1, 1],
      [1000, 2, 2],
    ],
  ],
  [
    'are remembered until the last moment',
    [
      [0, 1, 1],
      [HOUR + 10 * DAY - 1, 2, 2],
    ],
  ],
  [
    'are forgotten then',
    [
      [0, 1, 1],
      [HOUR, 2, 2],
      [3 * HOUR + 10 * DAY, 1, 1],
      [DAY * 11, 2, 2],
    ],
  ],
];

const networks = async (
  state: Opened['state'],
  query: Parameters<Opened['state']['blocks']['list']>[0] = {},
) => (await state.blocks.list(query)).map(({ network }) => network).join(' ');

export function blocksContract(open: Open): void {
  for (const [network, yes, no] of COVERED) {
    it(`blocks: ${network} covers ${yes} and not ${no}`, async (t) => {
      const { state } = await open(t);
      assert.equal(await state.blocks.covering(yes), undefined);
      const block = await state.blocks.add({
        network,
        reason: 'noise',
        endsMs: BEGIN_MS + HOUR,
        by: 'operator',
      });
      assert.deepEqual(await state.blocks.covering(yes), block);
      assert.equal(await state.blocks.covering(no), undefined);
      assert.equal(await state.blocks.remove(network), true);
      assert.equal(await state.blocks.covering(yes), undefined);
      assert.equal(await state.blocks.remove(network), false);
    });
  }

  it('blocks: of several entries the one that ends last', async (t) => {
    const { state, at } = await open(t);
    for (const [network, hours] of [
      ['192.0.2.7', 1],
      ['192.0.2.0/24', 3],
      ['192.0.0.0/16', 2],
      ['192.0.3.0/24', 9],
    ] as const)
      await state.blocks.add({ network, reason: '', endsMs: BEGIN_MS + hours * HOUR, by: 'operator' });
    assert.equal((await state.blocks.covering('192.0.2.7'))?.network, '192.0.2.0/24');
    at(3 * HOUR - 1);
    assert.equal((await state.blocks.covering('192.0.2.7'))?.network, '192.0.2.0/24');
    at(3 * HOUR);
    assert.equal(await state.blocks.covering('192.0.2.7'), undefined);
    assert.equal(await state.blocks.covering('no address'), undefined);
  });

  for (const [name, steps] of SENTENCES) {
    it(`blocks: convictions ${name}`, async (t) => {
      const { state, at } = await open(t);
      for (const [atMs, convictions, hours] of steps) {
        at(atMs);
        const block = await state.blocks.convict(CONVICTION);
        const { network, reason, evidence, by } = CONVICTION;
        const sinceMs = BEGIN_MS + atMs;
        const endsMs = sinceMs + hours * HOUR;
        assert.deepEqual(
          block,
          { network, reason, evidence, by, convictions, sinceMs, endsMs },
          `at ${atMs}`,
        );
        assert.deepEqual(await state.blocks.covering('192.0.2.7'), block);
        at(atMs + hours * HOUR);
        assert.equal(await state.blocks.covering('192.0.2.7'), undefined);
      }
    });
  }

  it('blocks: a conviction does not end before what was in force', async (t) => {
    const { state } = await open(t);
    await state.blocks.convict({ ...CONVICTION, firstMs: 5 * HOUR });
    const block = await state.blocks.convict({ ...CONVICTION, factor: 1 });
    assert.deepEqual([block.convictions, block.endsMs], [2, BEGIN_MS + 5 * HOUR]);
    const far = await state.blocks.convict({ ...CONVICTION, factor: 1e300, longestMs: DAY });
    assert.equal(far.endsMs, BEGIN_MS + DAY);
    assert.equal(
      (await state.blocks.convict({ ...CONVICTION, factor: 1e300, longestMs: DAY })).endsMs,
      far.endsMs,
    );
  });

  it('blocks: an operator’s entry stays when it lasts longer, and gives way when it does not', async (t) => {
    const { state, at } = await open(t);
    await state.blocks.convict(CONVICTION);
    const entry = { network: '192.0.2.7', reason: 'asked us for it', by: 'operator' };
    const added = await state.blocks.add({ ...entry, endsMs: BEGIN_MS + 2 * DAY });
    assert.equal(added.convictions, 1);
    const kept = await state.blocks.convict(CONVICTION);
    assert.deepEqual(kept, { ...added, convictions: 2 });
    assert.deepEqual(await state.blocks.covering('192.0.2.7'), kept);
    at(2 * DAY - HOUR);
    const convicted = await state.blocks.convict(CONVICTION);
    assert.deepEqual([convicted.by, convicted.convictions], ['spam-trap', 3]);
    assert.equal(convicted.endsMs, BEGIN_MS + 2 * DAY + 3 * HOUR);
  });

  it('blocks: are listed, newest first, and what has ended when it is asked for', async (t) => {
    const { state, at } = await open(t);
    await state.blocks.convict({ ...CONVICTION, network: '192.0.2.0/24' });
    at(30 * 60_000);
    await state.blocks.convict({ ...CONVICTION, network: '2001:db8::/64' });
    at(HOUR);
    await state.blocks.add({ network: '192.0.2.9', reason: '', endsMs: BEGIN_MS + DAY, by: 'operator' });
    assert.equal(await networks(state), '192.0.2.9 2001:db8::/64');
    assert.equal(await networks(state, { ended: true }), '192.0.2.9 2001:db8::/64 192.0.2.0/24');
    assert.equal(await networks(state, { ended: true, limit: 2 }), '192.0.2.9 2001:db8::/64');
    assert.equal(await networks(state, { ended: true, network: '192.0.2.9' }), '192.0.2.9 192.0.2.0/24');
    assert.equal(await networks(state, { ended: true, network: '192.0.0.0/16' }), '192.0.2.9 192.0.2.0/24');
    assert.equal(await networks(state, { network: '2001:db8::5' }), '2001:db8::/64');
    assert.equal(await networks(state, { by: 'operator' }), '192.0.2.9');
    await assert.rejects(async () => state.blocks.list({ network: 'x' }), /neither an address nor a network/);
  });

  it('blocks: what is no network is told', async (t) => {
    const { blocks } = (await open(t)).state;
    const entry = { reason: '', endsMs: BEGIN_MS + DAY, by: 'operator' };
    await assert.rejects(
      async () => blocks.add({ ...entry, network: '192.0.2.1/24' }),
      /the network is 192\.0\.2\.0\/24/,
    );
    await assert.rejects(async () => blocks.remove('192.0.2'), /neither an address nor a network/);
  });
}
