/**
 * A tenth of the corpus goes through the gate as `npm run effectiveness` sends all of it: no ham is stopped that is not explained, and spam
 * is, by more than one check.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { EXPLAINED, readCorpus, readMessage } from '../bench/corpus.ts';
import { runCorpus, type Passage } from '../bench/corpus-run.ts';
import { isStopped } from '../bench/effectiveness-table.ts';
import type { Cleanup } from './program.ts';
import { tempDir } from './tempdir.ts';

const EVERY = 10;

describe('the gate before a tenth of the corpus, as it is by default', () => {
  const spam: Passage[] = [];
  const ham: Passage[] = [];
  before(async () => {
    const ends: (() => void | Promise<void>)[] = [];
    const cleanup: Cleanup = { after: (fn) => void ends.push(fn) };
    try {
      const { passages } = await runCorpus({
        cleanup,
        folder: await tempDir(cleanup),
        messages: [...readCorpus(EVERY)],
        stance: 'default',
      });
      for (const passage of passages) (passage.message.spam ? spam : ham).push(passage);
    } finally {
      for (const end of ends.reverse()) await end();
    }
  });

  it('has judged all of them', () => assert.deepEqual([ham.length, spam.length], [415, 190]));

  it('stops no ham that is not explained', () => {
    const stopped = ham.filter(isStopped).filter(({ message }) => EXPLAINED[message.name] === undefined);
    assert.deepEqual(
      stopped.map(({ message, heard }) => `${message.name}: ${heard.lines.join(' ')}`),
      [],
    );
  });

  it('stops spam, by several checks', () => {
    const by = new Set(spam.map(({ first }) => first.check).filter((check) => check !== undefined));
    for (const check of ['helo', 'greylist', 'greylist-null']) assert.ok(by.has(check), [...by].join(', '));
    assert.ok(spam.filter(isStopped).length > spam.length / 20);
  });

  it('greylists spam rather than ham', () => {
    const share = (of: readonly Passage[]) =>
      of.filter(({ first }) => first.check?.startsWith('greylist')).length / of.length;
    assert.ok(share(spam) > 0.2 && share(ham) < 0.05, `${share(spam)} of spam, ${share(ham)} of ham`);
  });
});

describe('who brought a message', () => {
  const FETCHED = `Received: from localhost (localhost [127.0.0.1])
\tby phobos.labs.netnoteinc.com (Postfix) with ESMTP id 1 for <zzzz@localhost>; Thu, 22 Aug 2002 09:44:25 -0400
Received: from phobos [127.0.0.1] by localhost with IMAP (fetchmail-5.9.0); Thu, 22 Aug 2002 14:44:25 +0100
`;
  const STRANGER = `Received: from n6.example.com (n6.example.com [66.218.66.90]) by dogma.slashnull.org (8.11.6/8.11.6)
    with SMTP id 2 for <zzzz@spamassassin.taint.org>; Thu, 22 Aug 2002 14:38:25 +0100
`;
  const cases: [what: string, header: string, client: string | undefined][] = [
    ['a stranger', STRANGER, '66.218.66.90 n6.example.com HELO'],
    ['behind fetchmail', FETCHED + STRANGER, '66.218.66.90 n6.example.com HELO'],
    [
      'through another server of the collector',
      `Received: from webnote.net (mail.webnote.net [193.120.211.219]) by dogma.slashnull.org with ESMTP id 3; Fri, 9 Aug 2002 15:41:41 +0100
Received: from weasel ([212.2.162.33]) by webnote.net (8.9.3/8.9.3) with ESMTP id 4; Thu, 8 Aug 2002 18:31:37 +0100
`,
      '212.2.162.33 - EHLO',
    ],
    [
      'a name that only says it is of the collector',
      `Received: from x (mail.webnote.net [212.2.162.33] (may be forged)) by dogma.slashnull.org with ESMTP id 5; Fri, 9 Aug 2002 15:41:41 +0100
`,
      '212.2.162.33 mail.webnote.net EHLO',
    ],
    ['nobody but the collector himself', FETCHED, undefined],
    ['no trace at all', '', undefined],
  ];
  for (const [what, header, expected] of cases) {
    it(what, () => {
      const file = Buffer.from(`Return-Path: <a@example.net>\n${header}Subject: x\n\ntext\n`);
      const { client, sender, octets } = readMessage('x', file, { spam: false, trains: false });
      const { address = '', reverseName = '-', verb = '' } = client ?? {};
      assert.equal(client && `${address} ${reverseName} ${verb}`, expected);
      assert.equal(sender, 'a@example.net');
      if (expected !== undefined) assert.equal(octets.toString(), 'Subject: x\r\n\r\ntext\r\n');
    });
  }
});
