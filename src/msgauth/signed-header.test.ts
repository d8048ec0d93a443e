import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messagePort } from '../../test/fakes/ask.ts';
import {
  MAX_ARC_OCTETS,
  MAX_ARC_SETS,
  MAX_BODY_HASHES,
  MAX_FIELD_LINES,
  MAX_FROM_FIELDS,
  MAX_FROM_OCTETS,
  MAX_SIGNATURE_OCTETS,
  MAX_SIGNATURES,
  MAX_SIGNED_NAMES,
  MAX_WHITE_SPACE,
  signedHeader,
} from './signed-header.ts';

const read = (text: string, pieceOctets?: number) =>
  signedHeader(messagePort(Buffer.from(text, 'latin1'), pieceOctets));
const kept = async (text: string) => (await read(text)).passes.map(({ bytes }) => bytes.toString('latin1'));

const signature = (more = '', h = 'from'): string =>
  `DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=${h}; bh=A=; b=B=${more}\r\n`;
const FROM = 'From: joe@a.example\r\n';
const rest = `${FROM}\r\nbody\r\n`;

describe('what is kept of a header', () => {
  it('is From alone where nothing is signed', async () => {
    const found = await read(`Received: x\r\n${FROM}Subject: y\r\n\r\nbody\r\n`);
    assert.deepEqual(
      found.passes.map(({ bytes, body, arc }) => [bytes.toString(), body, arc]),
      [[`${FROM}\r\n`, 'none', false]],
    );
    assert.deepEqual([found.signatures, found.leftOut, found.arc, found.fromFields], [0, 0, 'none', 1]);
  });

  it('is what the signatures name, the lowest first, as often as they name it', async () => {
    const head = `Received: 1\r\nReceived: 2\r\nSubject: x\r\n\tfolded\r\nX-Other: y\r\nRECEIVED : 3\r\n`;
    assert.deepEqual(await kept(`${signature('', 'Received : from:subject:received')}${head}${rest}`), [
      `${signature('', 'Received : from:subject:received')}Received: 2\r\nSubject: x\r\n\tfolded\r\nRECEIVED : 3\r\n${FROM}\r\n`,
    ]);
  });

  it('parts what is signed over the two forms of the body', async () => {
    const simple = signature('', 'from:to');
    const relaxed = signature('; c=simple/Relaxed');
    assert.deepEqual(await kept(`${simple}${relaxed}To: x\r\n${rest}`), [
      `${simple}To: x\r\n${FROM}\r\n`,
      `${relaxed}To: x\r\n${FROM}\r\n`,
    ]);
  });

  it('reads lines that begin no field as part of the one above, up to the empty line', async () => {
    const text = `${signature()}Subject: x\r\nno field\r\n${FROM}\r\nbody\r\n`;
    for (const octets of [1, 7, undefined]) {
      const found = await read(text, octets);
      assert.deepEqual(
        found.passes.map(({ bytes }) => bytes.toString()),
        [`${signature()}${FROM}\r\n`],
      );
      assert.equal(text.slice(found.bodyStart), 'body\r\n');
    }
    const split = `A: b\r\nFrom\r\n : joe@a.example\r\n\r\n`;
    assert.deepEqual(await kept(split), ['From\r\n : joe@a.example\r\n\r\n']);
  });

  const bodies: [name: string, text: string, body: string][] = [
    ['a body', `${FROM}\r\nbody\r\n`, 'body\r\n'],
    ['an empty line alone', `${FROM}\r\n`, ''],
    ['no empty line', FROM, ''],
    ['no header', '\r\nbody\r\n', 'body\r\n'],
    ['no header, and text that is none', 'body\r\nFrom: x@y\r\n\r\n', 'body\r\nFrom: x@y\r\n\r\n'],
    ['nothing', '', ''],
    ['a header that never ends', `${FROM}junk\r\n`, ''],
  ];
  for (const [name, text, body] of bodies) {
    it(`and the body: ${name}`, async () => assert.equal(text.slice((await read(text)).bodyStart), body));
  }
});

describe('the limits of a header', () => {
  const counts = async (head: string) => {
    const { signatures, leftOut } = await read(head + rest);
    return [signatures, leftOut];
  };
  it('so many signatures', async () => {
    assert.deepEqual(await counts(signature().repeat(MAX_SIGNATURES)), [MAX_SIGNATURES, 0]);
    assert.deepEqual(await counts(signature().repeat(MAX_SIGNATURES + 3)), [MAX_SIGNATURES, 3]);
  });
  it('so many hashes of the body', async () => {
    const lengths = (n: number) => Array.from({ length: n }, (_, i) => signature(`; l=${i}`)).join('');
    assert.deepEqual(await counts(lengths(MAX_BODY_HASHES)), [MAX_BODY_HASHES, 0]);
    assert.deepEqual(await counts(lengths(MAX_BODY_HASHES + 1) + signature('; l=0')), [
      MAX_BODY_HASHES + 1,
      1,
    ]);
  });
  it('a signature so long', async () => {
    const long = (octets: number) => signature(`; z=${'x'.repeat(octets - signature('; z=').length + 2)}`);
    assert.deepEqual(await counts(long(MAX_SIGNATURE_OCTETS)), [1, 0]);
    assert.deepEqual(await counts(long(MAX_SIGNATURE_OCTETS + 1)), [0, 1]);
  });
  it('so much white space at one place', async () => {
    assert.deepEqual(await counts(signature(`;${' '.repeat(MAX_WHITE_SPACE)}z=x`)), [1, 0]);
    assert.deepEqual(await counts(signature(`;${' '.repeat(MAX_WHITE_SPACE + 1)}z=x`)), [0, 1]);
  });
  it('so many names', async () => {
    const names = (n: number) => signature('', Array.from({ length: n }, () => 'a').join(':'));
    assert.deepEqual(await counts(names(MAX_SIGNED_NAMES)), [1, 0]);
    assert.deepEqual(await counts(names(MAX_SIGNED_NAMES + 1)), [0, 1]);
  });
  it('so many lines of a field', async () => {
    const lines = (n: number) => `To: x\r\n${' y\r\n'.repeat(n - 1)}`;
    const has = async (n: number) =>
      (await kept(signature('', 'from:to') + lines(n) + rest))[0]?.includes('To:');
    assert.deepEqual([await has(MAX_FIELD_LINES), await has(MAX_FIELD_LINES + 1)], [true, false]);
  });
  it('so many From fields, so long, and all of them counted', async () => {
    const many = await read(`${FROM.repeat(MAX_FROM_FIELDS + 1)}\r\n`);
    assert.equal(many.fromFields, MAX_FROM_FIELDS + 1);
    assert.equal(many.passes[0]?.bytes.toString(), `${FROM.repeat(MAX_FROM_FIELDS)}\r\n`);
    const long = (octets: number) => kept(`From: ${'x'.repeat(octets - 6)}\r\n\r\n`);
    assert.equal((await long(MAX_FROM_OCTETS))[0]?.length, MAX_FROM_OCTETS + 4);
    assert.deepEqual(await long(MAX_FROM_OCTETS + 1), ['\r\n']);
  });
  it('ARC sets as a whole', async () => {
    const set = (i: number, more = '') =>
      `ARC-Seal: i=${i}; d=a; s=s\r\nARC-Message-Signature: i=${i}; c=${i === 2 ? 'relaxed/relaxed' : ''}; d=a; s=m${i}; h=to${more}\r\n` +
      `ARC-Authentication-Results: i=${i}; x; none\r\n`;
    const two = await read(`${set(2)}${set(1)}To: y\r\n${rest}`);
    assert.deepEqual([two.arc, two.passes.length, two.passes[0]?.body], ['some', 1, 'relaxed']);
    assert.equal(two.passes[0]?.bytes.toString(), `${set(2)}${set(1)}To: y\r\n${FROM}\r\n`);
    assert.deepEqual(two.keyNames, ['s._domainkey.a', 'm2._domainkey.a']);
    const names = ':a'.repeat(MAX_SIGNED_NAMES);
    assert.equal((await read(set(2) + set(1, names) + rest)).arc, 'too large');
    const sets = (count: number) => Array.from({ length: count }, (_, i) => set(count - i)).join('') + rest;
    const many = await read(sets(MAX_ARC_SETS));
    assert.equal(many.passes[0]?.bytes.toString().match(/^ARC-/gm)?.length, 3 * MAX_ARC_SETS);
    assert.equal((await read(sets(MAX_ARC_SETS + 1))).arc, 'too large');
    const large = (octets: number) =>
      Array.from({ length: 16 }, () => 'ARC-Seal: '.padEnd(octets / 16, 'x') + '\r\n').join('') + rest;
    assert.equal((await read(large(MAX_ARC_OCTETS))).arc, 'some');
    assert.equal((await read(large(MAX_ARC_OCTETS + 16))).arc, 'too large');
  });
});
