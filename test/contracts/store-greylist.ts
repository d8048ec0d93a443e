import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { GreylistAttempt } from '../../src/core/ports.ts';
import { BEGIN_MS, DAY, HOUR, MINUTE, type Open } from './store-opened.ts';

const ATTEMPT: GreylistAttempt = {
  client: '192.0.2.0/24',
  sender: 'ann@example.net',
  recipient: 'bob@example.org',
  delayMs: 3 * MINUTE,
  retryWindowMs: 2 * DAY,
  keptMs: 36 * DAY,
  clientPasses: 5,
  seedOnly: false,
  // Each attempt in a session of its own.
  sessionSinceMs: Infinity,
};

/** Attempts of one triplet by their times, and what each is told: the kind, with the wait or the time since the first. */
const ATTEMPTS: readonly (readonly [
  name: string,
  steps: readonly (readonly [atMs: number, told: string])[],
])[] = [
  [
    'comes back too soon, then in time',
    [
      [0, `new ${3 * MINUTE}`],
      [1000, `early ${3 * MINUTE - 1000} 1000`],
      [3 * MINUTE - 1, `early 1 ${3 * MINUTE - 1}`],
      [3 * MINUTE, `passed ${3 * MINUTE}`],
      [3 * MINUTE + 1, 'known'],
    ],
  ],
  [
    'an early retry does not prolong the wait',
    [
      [0, `new ${3 * MINUTE}`],
      [2 * MINUTE, `early ${MINUTE} ${2 * MINUTE}`],
      [4 * MINUTE, `passed ${4 * MINUTE}`],
    ],
  ],
  [
    'comes back at the last moment',
    [
      [0, `new ${3 * MINUTE}`],
      [2 * DAY, `passed ${2 * DAY}`],
    ],
  ],
  [
    'comes back too late',
    [
      [0, `new ${3 * MINUTE}`],
      [2 * DAY + 1, `new ${3 * MINUTE}`],
      [2 * DAY + 3 * MINUTE + 1, `passed ${3 * MINUTE}`],
    ],
  ],
  [
    'is known for 36 days after its last use',
    [
      [0, `new ${3 * MINUTE}`],
      [HOUR, `passed ${HOUR}`],
      [20 * DAY, 'known'],
      [55 * DAY, 'known'],
      [92 * DAY, `new ${3 * MINUTE}`],
    ],
  ],
  [
    'is forgotten when it is not used',
    [
      [0, `new ${3 * MINUTE}`],
      [HOUR, `passed ${HOUR}`],
      [37 * DAY + HOUR, `new ${3 * MINUTE}`],
    ],
  ],
];

export function greylistContract(open: Open): void {
  for (const [name, steps] of ATTEMPTS) {
    it(`greylist: a triplet ${name}`, async (t) => {
      const { state, at } = await open(t);
      for (const [atMs, told] of steps) {
        at(atMs);
        assert.equal(Object.values(await state.greylist.attempt(ATTEMPT)).join(' '), told, `at ${atMs}`);
      }
    });
  }

  it('greylist: a retry in the session of the first attempt is none; one in a session since then is', async (t) => {
    const { state, at } = await open(t);
    const from = (ms: number, more: Partial<GreylistAttempt> = {}) =>
      state.greylist.attempt({ ...ATTEMPT, sessionSinceMs: BEGIN_MS + ms, ...more });
    at(1000);
    assert.equal((await from(500)).kind, 'new');
    at(1000 + HOUR);
    const told = { kind: 'early', waitMs: 0, sinceFirstMs: HOUR, sameSession: true };
    assert.deepEqual(await from(500), told);
    assert.deepEqual(await from(1000), told);
    assert.equal((await from(1001)).kind, 'passed');
    assert.equal((await from(500)).kind, 'known');
    at(2 * HOUR);
    await from(HOUR, { recipient: 'x' });
    at(3 * HOUR);
    assert.equal((await from(HOUR, { recipient: 'x', seedOnly: true })).kind, 'passed');
  });

  it('greylist: each part makes another triplet, the null sender too', async (t) => {
    const { state, at } = await open(t);
    const others = [
      { client: '192.0.3.0/24' },
      { sender: 'ann@example.com' },
      { sender: '' },
      { recipient: 'b@example.org' },
    ];
    for (const other of [{}, ...others])
      assert.equal(
        (await state.greylist.attempt({ ...ATTEMPT, ...other })).kind,
        'new',
        JSON.stringify(other),
      );
    at(HOUR);
    for (const other of [{}, ...others])
      assert.equal(
        (await state.greylist.attempt({ ...ATTEMPT, ...other })).kind,
        'passed',
        JSON.stringify(other),
      );
  });

  /** A new recipient of the client, from the first attempt to the pass an hour later. */
  const passes = async (
    { state, at }: Awaited<ReturnType<Open>>,
    recipient: string,
    fromMs: number,
    waitMs: number,
  ) => {
    at(fromMs);
    const { kind } = await state.greylist.attempt({ ...ATTEMPT, recipient });
    at(fromMs + waitMs);
    await state.greylist.attempt({ ...ATTEMPT, recipient });
    return kind;
  };

  it('greylist: a client that passed often enough is known for all', async (t) => {
    const opened = await open(t);
    for (let i = 0; i < 5; i++)
      assert.equal(await passes(opened, `r${i}`, i * 2 * HOUR, HOUR), 'new', String(i));
    const { state, at } = opened;
    at(12 * HOUR);
    const other = { ...ATTEMPT, sender: 'else', recipient: 'never seen' };
    assert.deepEqual(await state.greylist.attempt(other), { kind: 'client-known' });
    assert.equal((await state.greylist.attempt({ ...other, clientPasses: 6 })).kind, 'new');
    assert.equal((await state.greylist.attempt({ ...other, client: '192.0.3.0/24' })).kind, 'new');
    at(20 * DAY);
    assert.equal((await state.greylist.attempt(other)).kind, 'client-known', 'kept by its use');
    at(55 * DAY);
    assert.equal((await state.greylist.attempt(other)).kind, 'client-known', 'kept by its use');
    at(92 * DAY);
    assert.equal((await state.greylist.attempt(other)).kind, 'new', 'no use for 36 days');
  });

  it('greylist: passes of a client count once an hour', async (t) => {
    const opened = await open(t);
    for (let i = 0; i < 10; i++) await passes(opened, `r${i}`, i * 5 * MINUTE, 4 * MINUTE);
    assert.equal((await opened.state.greylist.attempt({ ...ATTEMPT, clientPasses: 2 })).kind, 'new');
    assert.equal((await opened.state.greylist.attempt({ ...ATTEMPT, clientPasses: 1 })).kind, 'client-known');
    assert.equal((await opened.state.greylist.attempt({ ...ATTEMPT, clientPasses: 0 })).kind, 'early');
  });

  it('greylist: learns without holding anybody up', async (t) => {
    const { state, at } = await open(t);
    const { greylist } = state;
    const seed = { ...ATTEMPT, seedOnly: true };
    assert.deepEqual(await greylist.attempt(seed), { kind: 'passed', sinceFirstMs: 0 });
    assert.deepEqual(await greylist.attempt(seed), { kind: 'known' });
    assert.equal((await greylist.attempt({ ...ATTEMPT, recipient: 'c' })).kind, 'new');
    at(1000);
    assert.deepEqual(await greylist.attempt({ ...seed, recipient: 'c' }), {
      kind: 'passed',
      sinceFirstMs: 1000,
    });
    at(DAY);
    assert.deepEqual(await greylist.attempt(ATTEMPT), { kind: 'known' });
    assert.equal(
      (await greylist.attempt({ ...ATTEMPT, recipient: 'd', clientPasses: 1 })).kind,
      'client-known',
    );
  });
}
