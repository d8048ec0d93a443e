/**
 * Header fields as tokens, each with its field's name: the same word means another thing in a subject than in an address. Values are a
 * stranger's, read up to a bound.
 */
import { decodeEncodedWords } from './encoded-words.ts';
import { addAddresses, addHost, addWords, isHostCharacter } from './token-words.ts';
import type { Tokens } from './tokens.ts';

/** Fields of one header; real mail has fewer than a hundred. */
export const MAX_FIELDS = 300;
/** Octets of one field's value. */
export const MAX_VALUE = 2000;
const MAX_NAME = 30;

/** What the gate itself, or a filter behind it, writes into a message that is learnt later: not there when it is judged. */
const OURS = /^(?:x-(?:postern|spam-)|authentication-results$)/i;

const ADDRESSES = new Set([
  'from',
  'to',
  'cc',
  'bcc',
  'reply-to',
  'sender',
  'return-path',
  'delivered-to',
  'errors-to',
]);
const IDENTIFIERS = new Set(['message-id', 'in-reply-to', 'references', 'content-id']);

/** `value` is latin1 text, one character an octet, folded or not. */
export function addField(tokens: Tokens, name: string, value: string): void {
  if (OURS.test(name)) return;
  const field = name.slice(0, MAX_NAME).toLowerCase();
  const text = value.slice(0, MAX_VALUE);
  tokens.add(`header:${field}`);
  if (field === 'received') addReceived(tokens, text);
  else if (ADDRESSES.has(field)) addAddressField(tokens, field, decodeEncodedWords(text));
  else if (IDENTIFIERS.has(field)) addIdentifier(tokens, field, text);
  else if (field === 'date') addDate(tokens, text);
  else {
    const shown = decodeEncodedWords(text);
    if (field === 'subject') addSubjectShape(tokens, shown);
    addWords(tokens, `${field}:`, shown);
  }
}

function addAddressField(tokens: Tokens, field: string, text: string): void {
  const count = addAddresses(tokens, `${field}:`, text);
  tokens.add(`${field}:count:${count < 4 ? count : count < 10 ? 'some' : 'many'}`);
  tokens.add(`${field}:shape:${shapeOf(text, 20)}`);
  addWords(tokens, `${field}:`, text);
}

/** Identifiers differ from message to message; who made them, and how, does not. */
function addIdentifier(tokens: Tokens, field: string, text: string): void {
  tokens.add(`${field}:shape:${shapeOf(text, 40)}`);
  const at = text.lastIndexOf('@');
  if (at < 0) return;
  let end = at + 1;
  while (end < text.length && isHostCharacter(text.charCodeAt(end))) end++;
  addHost(tokens, `${field}:@`, text.slice(at + 1, end));
}

// The time zone at its end; the rest is another one each day.
function addDate(tokens: Tokens, text: string): void {
  tokens.add(`date:shape:${shapeOf(text, 40)}`);
  addWords(tokens, 'date:', text.slice(-12), { pairs: false });
}

function addSubjectShape(tokens: Tokens, text: string): void {
  if (text.trim() === '') tokens.add('subject:shape:empty');
  if (text === text.toUpperCase() && text !== text.toLowerCase()) tokens.add('subject:shape:upper');
  // Room for a mark that tells one copy from the next.
  if (text.includes('     ')) tokens.add('subject:shape:gap');
  if (text.trimEnd().endsWith('!')) tokens.add('subject:shape:!');
}

/** Who handed the message over: names, addresses and programs of one hop. */
function addReceived(tokens: Tokens, text: string): void {
  let at = 0;
  while (at < text.length && !tokens.full) {
    const start = at;
    while (at < text.length && isHostCharacter(text.charCodeAt(at))) at++;
    if (at > start) addHop(tokens, text.slice(start, at));
    at++;
  }
}

const MAX_HOP_WORD = 20;

function addHop(tokens: Tokens, word: string): void {
  if (word.includes('.')) addHost(tokens, 'received:', word);
  else if (word.length <= MAX_HOP_WORD && !/^\d+$/.test(word)) tokens.add(`received:${word.toLowerCase()}`);
}

/** Which kinds of characters follow each other: made-up fields have shapes of their own. */
function shapeOf(text: string, max: number): string {
  let shape = '';
  let last = '';
  for (let i = 0; i < text.length && shape.length < max; i++) {
    const c = text.charCodeAt(i);
    let kind = text.charAt(i);
    if (c <= 32) kind = ' ';
    else if (c >= 48 && c <= 57) kind = '9';
    else if (c >= 97 && c <= 122) kind = 'a';
    else if (c >= 65 && c <= 90) kind = 'A';
    else if (c > 126) kind = 'u';
    if (kind !== last) shape += kind;
    last = kind;
  }
  return shape;
}
