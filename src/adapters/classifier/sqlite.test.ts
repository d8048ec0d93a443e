import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { TokenCounts } from '../../core/classifier.ts';
import { tempDir } from '../../../test/tempdir.ts';
import { openClassifier, type ClassifierOptions, type ClassifierStore } from './sqlite.ts';
import { TokenCache } from './token-cache.ts';
import { tokenKey } from './token-key.ts';

const DAY_MS = 86_400_000;
const hash = (name: string) => createHash('sha256').update(name).digest();
const sorted = (seen: readonly TokenCounts[]) => seen.toSorted((a, b) => (a.token < b.token ? -1 : 1));

function opened(t: TestContext, options: ClassifierOptions = {}, file = ':memory:'): ClassifierStore {
  const store = openClassifier(file, options);
  t.after(() => store.close());
  return store;
}

describe('what the classifier has learnt', () => {
  it('is counted by token and kind', (t) => {
    const store = opened(t);
    assert.equal(store.learn('ham', hash('1'), ['a', 'b']), 'learnt');
    assert.equal(store.learn('spam', hash('2'), ['b', 'c']), 'learnt');
    const { trained, seen } = store.recall(['a', 'b', 'c', 'd']);
    assert.deepEqual(trained, { ham: 1, spam: 1 });
    assert.deepEqual(sorted(seen), [
      { token: 'a', ham: 1, spam: 0 },
      { token: 'b', ham: 1, spam: 1 },
      { token: 'c', ham: 0, spam: 1 },
    ]);
    assert.equal(store.size, 3);
  });

  it('is learnt once', (t) => {
    const store = opened(t);
    store.learn('ham', hash('1'), ['a']);
    assert.equal(store.learn('ham', hash('1'), ['a']), 'known');
    assert.deepEqual(store.recall(['a']), {
      trained: { ham: 1, spam: 0 },
      seen: [{ token: 'a', ham: 1, spam: 0 }],
    });
  });

  it('changes over to the other kind', (t) => {
    const store = opened(t);
    store.learn('ham', hash('1'), ['a']);
    assert.equal(store.learn('spam', hash('1'), ['a']), 'changed');
    assert.equal(store.learntAs(hash('1')), 'spam');
    assert.deepEqual(store.recall(['a']), {
      trained: { ham: 0, spam: 1 },
      seen: [{ token: 'a', ham: 0, spam: 1 }],
    });
  });

  it('is taken back, and only what was learnt', (t) => {
    const store = opened(t);
    store.learn('ham', hash('1'), ['a', 'b']);
    store.learn('ham', hash('2'), ['b']);
    assert.equal(store.forget(hash('1'), ['a', 'b']), 'ham');
    assert.equal(store.forget(hash('1'), ['a', 'b']), undefined);
    assert.deepEqual(store.recall(['a', 'b']), {
      trained: { ham: 1, spam: 0 },
      seen: [{ token: 'b', ham: 1, spam: 0 }],
    });
    assert.equal(store.size, 1);
  });

  it('is seen by a gate that was asked before', async (t) => {
    const file = join(await tempDir(t), 'classifier.sqlite');
    let nowMs = 0;
    const gate = opened(t, { nowMs: () => nowMs }, file);
    const command = opened(t, { cache: false }, file);
    assert.deepEqual(gate.recall(['a']).seen, []);
    command.learn('spam', hash('1'), ['a']);
    nowMs += 1000;
    assert.deepEqual(gate.recall(['a']).seen, [{ token: 'a', ham: 0, spam: 1 }]);
    command.learn('spam', hash('2'), ['a']);
    nowMs += 1000;
    assert.deepEqual(gate.recall(['a']), {
      trained: { ham: 0, spam: 2 },
      seen: [{ token: 'a', ham: 0, spam: 2 }],
    });
  });

  it('is kept, with the seed of its keys', async (t) => {
    const file = join(await tempDir(t), 'classifier.sqlite');
    const first = openClassifier(file);
    first.learn('ham', hash('1'), ['a']);
    first.close();
    const again = opened(t, {}, file);
    assert.deepEqual(again.recall(['a']), {
      trained: { ham: 1, spam: 0 },
      seen: [{ token: 'a', ham: 1, spam: 0 }],
    });
    assert.equal(again.learntAs(hash('1')), 'ham');
  });

  it('is nothing to a trial where there is no file, and none is made', async (t) => {
    const file = join(await tempDir(t), 'classifier.sqlite');
    assert.deepEqual(opened(t, { trial: true }, file).recall(['a']).trained, { ham: 0, spam: 0 });
    assert.equal(existsSync(file), false);
    opened(t, {}, file).learn('ham', hash('1'), ['a']);
    assert.deepEqual(opened(t, { trial: true }, file).recall(['a']).trained, { ham: 1, spam: 0 });
  });

  it('is not the words themselves', async (t) => {
    const file = join(await tempDir(t), 'classifier.sqlite');
    const store = openClassifier(file);
    store.learn('ham', hash('1'), ['confidential']);
    store.close();
    assert.ok(!(await readFile(file)).includes('confidential'));
  });

  it('is whole or not there: a message that cannot be learnt leaves nothing', (t) => {
    const store = opened(t);
    const broken = (function* () {
      yield 'a';
      throw new Error('cut');
    })();
    assert.throws(() => store.learn('ham', hash('1'), broken), /cut/);
    assert.deepEqual(store.recall(['a']), { trained: { ham: 0, spam: 0 }, seen: [] });
    assert.equal(store.learn('ham', hash('1'), ['a']), 'learnt');
  });
});

it('answers the same with its cache as without, whatever was learnt in between', () =>
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 40 }), (steps) => {
      const cached = openClassifier(':memory:');
      const plain = openClassifier(':memory:', { cache: false });
      try {
        for (const { kind, message, tokens } of steps) {
          for (const store of [cached, plain])
            if (kind === 'forget') store.forget(hash(message), tokens);
            else store.learn(kind, hash(message), tokens);
          const [a, b] = [cached, plain].map((store) => store.recall(WORDS));
          assert.deepEqual(sorted(a!.seen), sorted(b!.seen));
          assert.deepEqual(a!.trained, b!.trained);
          assert.equal(cached.size, plain.size);
        }
      } finally {
        cached.close();
        plain.close();
      }
    }),
    { numRuns: 30 },
  ));

const WORDS = ['a', 'b', 'c', 'd', 'e', 'f'];
const STEP = fc.record({
  kind: fc.constantFrom('ham' as const, 'spam' as const, 'forget' as const),
  message: fc.constantFrom('1', '2', '3'),
  tokens: fc.uniqueArray(fc.constantFrom(...WORDS), { minLength: 1 }),
});

it('answers the same while it reads the table into its cache, and after', (t) => {
  const store = opened(t);
  const words = Array.from({ length: 7000 }, (_, i) => `w${i}`);
  store.learn('ham', hash('1'), words);
  const asked = ['w1', 'w6999', 'never', ...words.slice(100, 110)];
  const expected = sorted(
    asked.filter((token) => token !== 'never').map((token) => ({ token, ham: 1, spam: 0 })),
  );
  for (let i = 0; i < 6; i++) assert.deepEqual(sorted(store.recall(asked).seen), expected);
});

describe('the cache', () => {
  const SAME_SLOT = 2 ** 32;

  it('knows of no key whether it is absent, before that was told', () => {
    const cache = new TokenCache();
    assert.equal(cache.isAbsent(5), false);
    cache.know(3, 1, 0);
    cache.knows(4);
    assert.deepEqual(
      [3, 4, 5].map((key) => cache.isAbsent(key)),
      [false, true, false],
    );
    cache.clear();
    assert.deepEqual(
      [3, 4].map((key) => cache.isAbsent(key)),
      [false, false],
    );
    assert.equal(cache.find(3), undefined);
  });

  it('keeps of two for one slot the one that more messages had', () => {
    const cache = new TokenCache();
    cache.know(7, 5, 0);
    cache.know(7 + SAME_SLOT, 1, 1);
    assert.deepEqual(cache.find(7), { ham: 5, spam: 0 });
    assert.equal(cache.find(7 + SAME_SLOT), undefined);
    cache.put(7 + SAME_SLOT, 1, 1);
    assert.equal(cache.find(7), undefined);
    assert.deepEqual(cache.find(7 + SAME_SLOT), { ham: 1, spam: 1 });
  });
});

describe('forgetting', () => {
  it('takes rare tokens that were not met for long, and no others', (t) => {
    let nowMs = 1000 * DAY_MS;
    const store = opened(t, { nowMs: () => nowMs, keptDays: 100 });
    for (const n of ['1', '2', '3']) store.learn('spam', hash(n), ['often', `rare${n}`]);
    nowMs += 50 * DAY_MS;
    store.learn('ham', hash('4'), ['rare2']);
    nowMs += 50 * DAY_MS;
    store.learn('ham', hash('5'), ['x']);
    assert.deepEqual(
      sorted(store.recall(['often', 'rare1', 'rare2', 'rare3', 'x']).seen).map(({ token }) => token),
      ['often', 'rare2', 'x'],
    );
    assert.equal(store.size, 3);
  });

  it('comes round to every token, some with each message', (t) => {
    let nowMs = 1000 * DAY_MS;
    const store = opened(t, { nowMs: () => nowMs, keptDays: 10 });
    const words = (n: number) => Array.from({ length: 3000 }, (_, i) => `w${n}-${i}`);
    store.learn('ham', hash('1'), words(1));
    store.learn('ham', hash('2'), words(2));
    nowMs += 20 * DAY_MS;
    for (let i = 3; i < 10; i++) store.learn('ham', hash(String(i)), ['x']);
    assert.equal(store.size, 1);
  });

  it('is hurried where room grows short, and what has no room is not learnt', (t) => {
    let nowMs = 1000 * DAY_MS;
    const store = opened(t, { nowMs: () => nowMs, maxTokens: 10 });
    const words = Array.from({ length: 20 }, (_, i) => `w${i}`);
    store.learn('ham', hash('1'), words);
    assert.equal(store.size, 10);
    nowMs += 2 * DAY_MS;
    store.learn('ham', hash('2'), ['new']);
    assert.equal(store.size, 0, 'what was old has gone');
    store.learn('ham', hash('3'), ['new']);
    assert.equal(store.size, 1);
  });

  it('keeps no more messages than the bound', (t) => {
    const store = opened(t, { maxMessages: 2 });
    for (const n of ['1', '2', '3']) store.learn('ham', hash(n), ['a']);
    assert.deepEqual(
      ['1', '2', '3'].map((n) => store.learntAs(hash(n))),
      [undefined, 'ham', 'ham'],
    );
  });
});

describe('the key of a token', () => {
  it('is a number that SQLite and JavaScript both hold', () =>
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(0xffffffff), (token, seed) => {
        const key = tokenKey(token, seed);
        return Number.isSafeInteger(key) && key >= 0;
      }),
    ));

  it('is another one for another token, and with another seed', () => {
    const keys = new Set<number>();
    for (let i = 0; i < 200_000; i++) keys.add(tokenKey(`word${i}`, 7));
    assert.equal(keys.size, 200_000);
    assert.notEqual(tokenKey('word1', 7), tokenKey('word1', 8));
  });
});
