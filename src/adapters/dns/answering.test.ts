import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Answering } from './answering.ts';

function after(...answers: readonly boolean[]) {
  let now = 0;
  const answering = new Answering(() => now);
  for (const isAnswered of answers) answering.note(isAnswered);
  return { answering, at: (ms: number) => (now = ms) };
}
const many = (n: number, isAnswered: boolean): boolean[] => Array.from({ length: n }, () => isAnswered);

for (const [what, answers, state] of [
  ['nothing asked', [], 'unknown'],
  ['too few to say', many(9, false), 'ok'],
  ['all answered', many(50, true), 'ok'],
  ['some dead servers of strangers', [...many(40, true), ...many(10, false)], 'ok'],
  ['a third unanswered', [...many(20, true), ...many(10, false)], 'slow'],
  ['nearly none answered', [...many(2, true), ...many(10, false)], 'ill'],
] as const)
  it(`${what}: ${state}`, () => assert.equal(after(...answers).answering.state().state, state));

it('says how many, and forgets within a minute', () => {
  const { answering, at } = after(...many(12, false));
  assert.equal(answering.state().detail, '12 of 12 questions lately had no answer');
  at(31_000);
  assert.equal(answering.state().state, 'ill');
  answering.note(true);
  at(62_000);
  assert.equal(answering.state().state, 'ok');
  at(200_000);
  assert.equal(answering.state().state, 'unknown');
});
