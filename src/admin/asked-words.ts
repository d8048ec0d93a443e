/** What is wrong with what was sent, in our words: those of the library are for programmers. A schema's own words stand before these. */
import type { z } from 'zod';
import { nearest } from '../config/nearest.ts';

type Issue = Parameters<z.core.$ZodErrorMap>[0];

/** Ends a sentence that begins with the field. */
export function askedWords(issue: Issue): string {
  const { input } = issue;
  if (input === undefined) return 'is missing';
  switch (issue.code) {
    case 'invalid_type':
      return WANTED[issue.expected] ?? 'is of another kind than it should be';
    case 'invalid_value':
      return oneOf(issue.values.map(String), input);
    case 'unrecognized_keys':
      return `there is no field ${issue.keys.join(', ')} here`;
    case 'too_small':
      return isText(input)
        ? input.trim() === ''
          ? 'is empty; write something'
          : `is too short; it wants ${count(issue.minimum)} characters at least`
        : Array.isArray(input)
          ? `wants ${count(issue.minimum)} at least`
          : `wants a number of ${count(issue.minimum)} or more`;
    case 'too_big':
      return isText(input)
        ? `is too long; ${count(issue.maximum)} characters are the most`
        : Array.isArray(input)
          ? `are too many; ${count(issue.maximum)} are the most`
          : `wants a number of ${count(issue.maximum)} or less`;
    default:
      return 'cannot be read';
  }
}

const isText = (input: unknown): input is string => typeof input === 'string';
const count = (n: number | bigint): string => String(n);

const WANTED: Readonly<Record<string, string>> = {
  number: 'wants a number',
  int: 'wants a whole number',
  string: 'wants a text',
  boolean: 'wants true or false',
  array: 'wants a list',
  object: 'wants a JSON object',
};

function oneOf(values: readonly string[], input: unknown): string {
  const near = isText(input) ? nearest(input.slice(0, 60), values) : undefined;
  return `wants one of ${values.join(', ')}${near === undefined ? '' : `; did you mean ${near}?`}`;
}
