import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, messagePort } from '../../test/fakes/ask.ts';
import { checkSchema } from '../config/checks.ts';
import type { Counts } from '../core/classifier.ts';
import type { Clues } from '../core/clues.ts';
import type { ClassifierPort } from '../core/ports.ts';
import { classifier } from './classifier.ts';

const MESSAGE = 'Subject: pills\r\n\r\nbuy pills now\r\n';
const said = { from: 'joe@a.example', helo: 'mail.a.example', message: MESSAGE };

interface Fake extends ClassifierPort {
  readonly asked: string[];
}

/** Knows some words, each from ten messages of one kind. */
function knowing(
  words: Readonly<Record<string, keyof Counts>>,
  trained: Counts = { ham: 500, spam: 500 },
): Fake {
  const asked: string[] = [];
  return {
    asked,
    recall(tokens) {
      const all = [...tokens];
      asked.push(...all);
      const seen = all.flatMap((token) => {
        const kind = words[token];
        return kind === undefined ? [] : [{ token, ham: 0, spam: 0, [kind]: 10 }];
      });
      return { trained, seen };
    },
  };
}

const SPAMMY = {
  buy: 'spam',
  pills: 'spam',
  'buy pills': 'spam',
  'pills now': 'spam',
  now: 'spam',
  'subject:pills': 'spam',
} as const;
const HAMMY = {
  buy: 'ham',
  pills: 'ham',
  'buy pills': 'ham',
  'pills now': 'ham',
  now: 'ham',
  'subject:pills': 'ham',
} as const;

describe('classifier', () => {
  const cases: readonly [
    name: string,
    port: ClassifierPort,
    settings: Record<string, unknown>,
    result: string,
    code: string,
  ][] = [
    ['all words from spam', knowing(SPAMMY), { spam_cutoff: 0.9, certain_cutoff: 1 }, 'fail', 'spam'],
    [
      'all words from spam, and sure of it',
      knowing(SPAMMY),
      { spam_cutoff: 0.9, certain_cutoff: 0.9 },
      'fail',
      'certain',
    ],
    [
      'a score that is certain and yet no spam',
      knowing(SPAMMY),
      { spam_cutoff: 1, certain_cutoff: 0.9 },
      'fail',
      'unsure',
    ],
    ['all words from ham', knowing(HAMMY), {}, 'pass', 'ham'],
    ['words from both', knowing({ buy: 'ham', pills: 'spam' }), {}, 'fail', 'unsure'],
    ['nothing seen before', knowing({}), {}, 'fail', 'unsure'],
    ['too little ham learnt', knowing(SPAMMY, { ham: 199, spam: 500 }), {}, 'none', 'untrained'],
    ['too little spam learnt', knowing(SPAMMY, { ham: 500, spam: 199 }), {}, 'none', 'untrained'],
    [
      'just enough learnt',
      knowing(SPAMMY, { ham: 200, spam: 200 }),
      { spam_cutoff: 0.9, certain_cutoff: 1 },
      'fail',
      'spam',
    ],
    ['nothing learnt', knowing({}, { ham: 0, spam: 0 }), { min_messages: 1 }, 'none', 'untrained'],
    ['a cut-off beyond the score', knowing(SPAMMY), { spam_cutoff: 1 }, 'fail', 'unsure'],
  ];
  for (const [name, port, settings, result, code] of cases)
    it(name, async () => {
      const { findings } = await ask(classifier, said, { classifier: port }, settings);
      assert.deepEqual(
        findings.map((f) => [f.result, f.code]),
        // Whoever refuses `spam` need not know of `certain`.
        code === 'certain'
          ? [
              [result, code],
              [result, 'spam'],
            ]
          : [[result, code]],
      );
    });

  it('tells mail filters the score, ten times as large', async () => {
    const told = async (port: ClassifierPort, settings = {}) => {
      const { findings } = await ask(classifier, said, { classifier: port }, settings);
      return findings.map(({ spam }) => spam);
    };
    const [certain, spam] = await told(knowing(SPAMMY), { spam_cutoff: 0.949, certain_cutoff: 0.95 });
    assert.deepEqual(
      { ...certain, score: 0 },
      { isSpam: true, score: 0, required: 9.4, tests: ['CLASSIFIER_CERTAIN'] },
    );
    assert.deepEqual(spam?.tests, ['CLASSIFIER_SPAM']);
    assert.ok(certain !== undefined && certain.score >= 9.4 && certain.score < 10);
    const [unsure] = await told(knowing(SPAMMY), { spam_cutoff: 1 });
    assert.deepEqual([unsure?.isSpam, unsure?.tests], [false, ['CLASSIFIER_UNSURE']]);
    const [ham] = await told(knowing(HAMMY));
    assert.deepEqual([ham?.isSpam, ham?.required, ham?.tests], [false, 9.5, ['CLASSIFIER_HAM']]);
    const [untrained] = await told(knowing(SPAMMY, { ham: 1, spam: 1 }));
    assert.equal(untrained, undefined);
  });

  it('reads no message while it could judge none', async () => {
    const port = knowing(SPAMMY, { ham: 1, spam: 1 });
    await ask(classifier, said, { classifier: port });
    assert.deepEqual(port.asked, []);
  });

  it('counts who brought it, and what the other checks found', async () => {
    const port = knowing(SPAMMY);
    const clues: Clues = {
      suspicion: 0,
      found: () => [],
      all: () => [
        ['fcrdns', [{ result: 'fail', code: 'no-ptr', text: 'x' }]],
        ['spf', [{ result: 'none', code: 'neutral', text: 'x' }]],
      ],
    };
    await ask(classifier, said, { classifier: port }, {}, clues);
    for (const token of [
      'check:fcrdns:no-ptr',
      'received:192.0.2.7',
      'received:mail.a.example',
      'return-path:joe@a.example',
    ])
      assert.ok(port.asked.includes(token), token);
    assert.ok(!port.asked.includes('check:spf:neutral'));
  });

  it('takes a null sender, and a message in pieces', async () => {
    const whole = knowing(SPAMMY);
    const cut = knowing(SPAMMY);
    await ask(classifier, { ...said, from: '<>' }, { classifier: whole });
    const message = messagePort(Buffer.from(MESSAGE), 3);
    await ask(classifier, { ...said, from: '<>' }, { classifier: cut, message });
    assert.deepEqual(cut.asked, whole.asked);
  });

  it('lets others have their turn while it reads a large message', async () => {
    let turns = 0;
    let counting = setImmediate(function count() {
      turns++;
      counting = setImmediate(count);
    });
    const message = `${MESSAGE}${'a b c d e f g\r\n'.repeat(60_000)}`;
    await ask(classifier, { ...said, message }, { classifier: knowing(SPAMMY) });
    clearImmediate(counting);
    assert.ok(turns >= 10, String(turns));
  });

  it('keeps no words of the message as evidence', async () => {
    const { evidence } = await ask(classifier, said, { classifier: knowing(SPAMMY) });
    assert.doesNotMatch(JSON.stringify(evidence), /buy|pills/);
  });

  it('wants its cut-offs the right way round', () => {
    const schema = checkSchema(classifier);
    assert.equal(schema.safeParse({ spam_cutoff: 0.5, ham_cutoff: 0.5 }).success, false);
    assert.equal(schema.safeParse({ spam_cutoff: 0.5, ham_cutoff: 0.4 }).success, true);
    assert.equal(schema.safeParse({ spam_cutoff: 1.1 }).success, false);
  });
});

describe('what the classifier remembers', () => {
  const remembering = (trained: Counts) => {
    const kept = new Map<string, readonly string[]>();
    const port: ClassifierPort = {
      ...knowing(SPAMMY, trained),
      remember: (id, tokens) => void kept.set(id, [...tokens]),
    };
    return { kept, port };
  };

  it('is every message, by its decision, before it can judge any', async () => {
    for (const trained of [
      { ham: 0, spam: 0 },
      { ham: 500, spam: 500 },
    ]) {
      const { kept, port } = remembering(trained);
      await ask(classifier, said, { classifier: port }, { remember: '14d' });
      assert.deepEqual([...kept.keys()], ['K7Q2MX4E']);
      assert.ok(kept.get('K7Q2MX4E')?.includes('buy pills'));
    }
  });

  it('is nothing by default: a message is then not even read before there is enough to judge it by', async () => {
    const { kept, port } = remembering({ ham: 0, spam: 0 });
    const { findings } = await ask(classifier, said, { classifier: port });
    assert.deepEqual([kept.size, findings[0]?.code], [0, 'untrained']);
  });
});
