import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SMFIF, SMFIP } from './codes.ts';
import { negotiate, readOffer, type Needs, type Offer } from './negotiation.ts';

const NOTHING: Needs = {
  data: false,
  unknown: false,
  header: false,
  endOfHeader: false,
  body: false,
  rejectedRecipients: false,
  addHeaders: false,
  changeHeaders: false,
  changeSender: false,
  macros: {},
};
const EVERYTHING: Needs = {
  data: true,
  unknown: true,
  header: true,
  endOfHeader: true,
  body: true,
  rejectedRecipients: true,
  addHeaders: true,
  changeHeaders: true,
  changeSender: true,
  macros: { connect: ['j', '{daemon_addr}'], rcpt: ['i'], 'end-of-header': ['i'], 'end-of-message': ['i'] },
};
/** What Postfix 3 and Sendmail 8.14 and later offer. */
const ALL: Offer = { version: 6, actions: 0x1ff, protocol: 0x1fffff };

const offered = (...words: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, i) => bytes.writeUInt32BE(word, 4 * i));
  return bytes;
};
const masks = (answer: Buffer) => ({
  version: answer.readUInt32BE(5),
  actions: answer.readUInt32BE(9),
  protocol: answer.readUInt32BE(13),
});

describe('an offer', () => {
  const cases: [string, Buffer, ReturnType<typeof readOffer>][] = [
    ['version 6', offered(6, 0x1ff, 0x1fffff), ALL],
    ['with octets behind it', offered(6, 0x1ff, 0x1fffff, 7), ALL],
    [
      'with all bits',
      offered(6, 0xffffffff, 0xffffffff),
      { version: 6, actions: 0xffffffff, protocol: 0xffffffff },
    ],
    ['with no bits, as version 1 meant it', offered(2, 0, 0), { version: 2, actions: 0xf, protocol: 0x3f }],
    ['version 1', offered(1, 1, 1), 'version-too-old'],
    ['version 0', offered(0, 1, 1), 'version-too-old'],
    ['two words', offered(6, 1), 'malformed'],
    ['eleven octets', offered(6, 1, 1).subarray(0, 11), 'malformed'],
    ['nothing', Buffer.alloc(0), 'malformed'],
  ];
  for (const [name, payload, expected] of cases) {
    it(name, () => assert.deepEqual(readOffer(payload), expected));
  }
});

describe('the answer', () => {
  const { noBody, noHeaders, noEndOfHeader, noUnknown, noData, skip, rejectedRecipients } = SMFIP;
  const leadspc = SMFIP.headerLeadingSpace;
  const cases: [string, Partial<Needs>, number, number][] = [
    ['nothing is needed', {}, 0, noBody | noHeaders | noEndOfHeader | noUnknown | noData],
    ['DATA', { data: true }, 0, noBody | noHeaders | noEndOfHeader | noUnknown],
    ['unknown commands', { unknown: true }, 0, noBody | noHeaders | noEndOfHeader | noData],
    ['the header', { header: true }, 0, noBody | noEndOfHeader | noUnknown | noData | leadspc],
    ['the end of the header', { endOfHeader: true }, 0, noBody | noHeaders | noUnknown | noData],
    ['the body', { body: true }, 0, skip | noHeaders | noEndOfHeader | noUnknown | noData],
    [
      'refused recipients',
      { rejectedRecipients: true },
      0,
      noBody | noHeaders | noEndOfHeader | noUnknown | noData | rejectedRecipients,
    ],
    [
      'adding fields',
      { addHeaders: true },
      SMFIF.addHeaders,
      noBody | noHeaders | noEndOfHeader | noUnknown | noData | leadspc,
    ],
    [
      'changing fields',
      { changeHeaders: true },
      SMFIF.changeHeaders,
      noBody | noHeaders | noEndOfHeader | noUnknown | noData | leadspc,
    ],
    [
      'changing the sender',
      { changeSender: true },
      SMFIF.changeSender,
      noBody | noHeaders | noEndOfHeader | noUnknown | noData,
    ],
  ];
  for (const [name, needs, actions, protocol] of cases) {
    it(`asks only for what is needed: ${name}`, () => {
      const { answer } = negotiate(ALL, { ...NOTHING, ...needs });
      assert.deepEqual(masks(answer), { version: 6, actions, protocol });
      assert.equal(answer.length, 17);
    });
  }

  it('never asks for SMFIP_NR_ flags, nor to leave out connect, HELO, MAIL or RCPT', () => {
    for (const needs of [NOTHING, EVERYTHING]) {
      const { protocol } = masks(negotiate(ALL, needs).answer);
      assert.equal(protocol & 0xff08f, 0);
    }
  });

  it('never asks for an action that could lose, hide or rewrite a message', () => {
    const { actions } = masks(negotiate(ALL, EVERYTHING).answer);
    assert.equal(actions, SMFIF.addHeaders | SMFIF.changeHeaders | SMFIF.changeSender | SMFIF.setSymList);
  });

  for (const [version, answered] of [
    [2, 2],
    [3, 3],
    [4, 4],
    [5, 5],
    [6, 6],
    [7, 6],
    [0xffffffff, 6],
  ] as const) {
    it(`to version ${version} is version ${answered}`, () => {
      assert.equal(masks(negotiate({ ...ALL, version }, NOTHING).answer).version, answered);
    });
  }

  it('asks for nothing that is not offered', () => {
    const { agreed, answer } = negotiate({ version: 2, actions: 0x3f, protocol: 0x7f }, EVERYTHING);
    assert.deepEqual(masks(answer), {
      version: 2,
      actions: SMFIF.addHeaders | SMFIF.changeHeaders,
      protocol: 0,
    });
    assert.equal(answer.length, 17);
    assert.deepEqual(agreed, {
      version: 2,
      addHeaders: true,
      changeHeaders: true,
      changeSender: false,
      macroLists: false,
      skip: false,
      leadingSpace: false,
      rejectedRecipients: false,
    });
    assert.equal(
      negotiate({ version: 2, actions: 0xf, protocol: 0x3f }, EVERYTHING).agreed.changeHeaders,
      false,
    );
  });

  it('carries the lists of macros, stage by stage, and no empty one', () => {
    const { agreed, answer } = negotiate(ALL, { ...EVERYTHING, macros: { ...EVERYTHING.macros, helo: [] } });
    assert.equal(
      answer.subarray(17).toString('latin1'),
      '\0\0\0\0j {daemon_addr}\0' + '\0\0\0\x03i\0' + '\0\0\0\x05i\0' + '\0\0\0\x06i\0',
    );
    assert.equal(answer.readUInt32BE(0), answer.length - 4);
    assert.deepEqual(agreed, {
      version: 6,
      addHeaders: true,
      changeHeaders: true,
      changeSender: true,
      macroLists: true,
      skip: true,
      leadingSpace: true,
      rejectedRecipients: true,
    });
  });

  it('has only names of macros in its lists', () => {
    for (const name of ['', 'ij', 'i j', '{}', '{a b}', 'client_addr', '{i', '{i}\0']) {
      assert.throws(() => negotiate(ALL, { ...NOTHING, macros: { mail: [name] } }), /no name of a macro/);
    }
  });
});
