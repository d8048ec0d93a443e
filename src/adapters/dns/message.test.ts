import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as dnsPacket from 'dns-packet';
import fc from 'fast-check';
import type { DnsType } from '../../core/ports.ts';
import { encodeName, encodeQuery, readAnswer, type Query } from './message.ts';

const NAME = 'a+b.example';
const MAX_RECORDS = 3;

function query(type: DnsType, name = NAME, id = 4711): Query {
  const wire = encodeName(name);
  assert.ok(wire !== undefined);
  return encodeQuery(id, wire, type);
}

/** As another program writes it. */
function written(q: Query, answers: unknown[], more: Partial<dnsPacket.Packet> = {}): Buffer {
  return dnsPacket.encode({
    type: 'response',
    id: 4711,
    questions: [{ type: q.type, name: NAME }],
    answers: answers as dnsPacket.Answer[],
    ...more,
  });
}

const a = (data: string, more = {}) => ({ type: 'A', name: NAME, ttl: 60, data, ...more });
const cname = (name: string, data: string, ttl = 60) => ({ type: 'CNAME', name, ttl, data });
const records = (ttlSeconds: number, ...found: unknown[]) => ({
  kind: 'records',
  records: found,
  ttlSeconds,
});

describe('encodeName', () => {
  const cases: [name: string, octets: string | undefined][] = [
    ['a', '\x01a\0'],
    ['a b.\\.c\0', '\x03a b\x01\\\x02c\0\0'],
    ['ü.x', '\x02\xc3\xbc\x01x\0'],
    ['x'.repeat(63), `?${'x'.repeat(63)}\0`],
    ['x'.repeat(64), undefined],
    ['ü'.repeat(32), undefined],
    ['', undefined],
    ['a..b', undefined],
    ['.a', undefined],
    ['a.', undefined],
    ['\ud800', undefined],
    ['a.'.repeat(126) + 'a', `${'\x01a'.repeat(127)}\0`],
    ['a.'.repeat(126) + 'aa', undefined],
  ];
  for (const [name, octets] of cases) {
    it(JSON.stringify(name.slice(0, 20)), () => {
      assert.equal(encodeName(name)?.toString('latin1'), octets);
    });
  }
});

describe('readAnswer', () => {
  const cases: [what: string, type: DnsType, answers: unknown[], expected: unknown][] = [
    ['nothing', 'A', [], records(0)],
    ['A', 'A', [a('192.0.2.1'), a('192.0.2.2', { ttl: 5 })], records(5, '192.0.2.1', '192.0.2.2')],
    ['a letter of another case', 'A', [a('192.0.2.1', { name: 'A+B.EXAMPLE' })], records(60, '192.0.2.1')],
    ['another owner', 'A', [a('192.0.2.1', { name: 'c.example' })], records(0)],
    ['another class', 'A', [a('192.0.2.1', { class: 'CH' })], records(0)],
    ['another type', 'MX', [a('192.0.2.1')], records(0)],
    ['a time to live below zero', 'A', [a('192.0.2.1', { ttl: 0xffff_ffff })], records(0, '192.0.2.1')],
    [
      'as many as are wanted',
      'A',
      ['1', '2', '3', '4'].map((n) => a(`192.0.2.${n}`)),
      records(60, '192.0.2.1', '192.0.2.2', '192.0.2.3'),
    ],
    [
      'AAAA',
      'AAAA',
      [{ type: 'AAAA', name: NAME, ttl: 60, data: '2001:db8::1' }],
      records(60, '2001:db8::1'),
    ],
    [
      'TXT',
      'TXT',
      [{ type: 'TXT', name: NAME, ttl: 60, data: ['a', Buffer.of(0xfc), ''] }],
      records(60, 'a\xfc'),
    ],
    [
      'MX',
      'MX',
      [
        { type: 'MX', name: NAME, ttl: 60, data: { preference: 10, exchange: 'M+x.example' } },
        { type: 'MX', name: NAME, ttl: 60, data: { preference: 0, exchange: '.' } },
        { type: 'MX', name: NAME, ttl: 60, data: { preference: 5, exchange: 'a b.example' } },
      ],
      records(60, { exchange: 'm+x.example', priority: 10 }, { exchange: '', priority: 0 }),
    ],
    [
      'PTR',
      'PTR',
      ['"x".example', '.', 'h.example'].map((data) => ({ type: 'PTR', name: NAME, ttl: 60, data })),
      records(60, 'h.example'),
    ],
    ['CNAME', 'CNAME', [cname(NAME, 'b.example')], records(60, 'b.example')],
    [
      'aliases',
      'A',
      [a('192.0.2.1', { name: 'c.example' }), cname('b.example', 'c.example', 7), cname(NAME, 'b.example')],
      records(7, '192.0.2.1'),
    ],
    ['an alias without address', 'A', [cname(NAME, 'b.example')], records(0)],
    ['an alias of itself', 'A', [cname(NAME, NAME)], { kind: 'broken' }],
    ['a ring', 'A', [cname(NAME, 'b.example'), cname('b.example', NAME)], { kind: 'broken' }],
  ];
  for (const [what, type, answers, expected] of cases) {
    it(what, () => {
      const q = query(type);
      const message = written(q, answers);
      assert.deepEqual(readAnswer(message, q, MAX_RECORDS), expected);
      // Cut anywhere it is broken or another's, never an answer.
      for (let length = 0; length < message.length; length++) {
        const { kind } = readAnswer(message.subarray(0, length), q, MAX_RECORDS);
        assert.ok(kind === 'broken' || kind === 'foreign', `${kind} of ${length} octets`);
      }
    });
  }

  for (const [hops, kind] of [
    [15, 'records'],
    [16, 'records'],
    [17, 'broken'],
  ] as const) {
    it(`${kind}: ${hops} aliases`, () => {
      const q = query('A');
      const at = (i: number) => (i === 0 ? NAME : `c${i}.example`);
      const chain = Array.from({ length: hops }, (_, i) => cname(at(i), at(i + 1)));
      const answer = readAnswer(written(q, [...chain, a('192.0.2.1', { name: at(hops) })]), q, MAX_RECORDS);
      assert.equal(answer.kind, kind);
      if (answer.kind === 'records') assert.deepEqual(answer.records, ['192.0.2.1']);
    });
  }

  it('takes no answer to another question', () => {
    const q = query('A');
    const good = written(q, [a('192.0.2.1')]);
    assert.equal(readAnswer(good, q, MAX_RECORDS).kind, 'records');
    assert.deepEqual(readAnswer(good, query('A', NAME, 4712), MAX_RECORDS), { kind: 'foreign' });
    assert.deepEqual(readAnswer(good, query('A', 'a+c.example'), MAX_RECORDS), { kind: 'foreign' });
    assert.deepEqual(readAnswer(good, query('MX'), MAX_RECORDS), { kind: 'foreign' });
    assert.deepEqual(readAnswer(q.bytes, q, MAX_RECORDS), { kind: 'foreign' });
    const twice = written(q, [], { questions: [1, 2].map(() => ({ type: 'A', name: NAME })) });
    assert.deepEqual(readAnswer(twice, q, MAX_RECORDS), { kind: 'foreign' });
  });

  it('tells RCODEs and truncation', () => {
    const q = query('A');
    for (let rcode = 1; rcode < 16; rcode++) {
      assert.deepEqual(readAnswer(written(q, [], { flags: rcode }), q, MAX_RECORDS), {
        kind: 'rcode',
        rcode,
      });
    }
    const truncated = written(q, [], { flags: dnsPacket.TRUNCATED_RESPONSE });
    assert.deepEqual(readAnswer(truncated, q, MAX_RECORDS), { kind: 'truncated' });
  });

  it('reads whatever comes, and gives no more than is wanted', () => {
    const types = ['A', 'AAAA', 'PTR', 'CNAME', 'NS', 'MX', 'TXT'] as const;
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.integer({ min: 0, max: 0xffff }),
        fc.uint8Array({ maxLength: 400 }),
        (type, count, tail) => {
          const q = query(type);
          const header = Buffer.from(q.bytes);
          header.writeUInt16BE(0x8180, 2);
          header.writeUInt16BE(count, 6);
          const answer = readAnswer(Buffer.concat([header, tail]), q, MAX_RECORDS);
          assert.ok(answer.kind === 'broken' || answer.kind === 'records');
          if (answer.kind === 'records') assert.ok(answer.records.length <= MAX_RECORDS);
        },
      ),
      { numRuns: 300 },
    );
  });
});
