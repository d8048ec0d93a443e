import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  eximListing,
  numberListing,
  postfixListing,
  sendmailListing,
  type Listing,
  type QueueCount,
} from './listing.ts';

const MINUTE = 60_000;
const read = (listing: Listing, text: string): QueueCount => {
  for (const line of text.split('\n')) listing.take(line);
  return listing.count();
};
const complaint = (listing: Listing, text: string): string => {
  try {
    return JSON.stringify(read(listing, text));
  } catch (error) {
    return (error as Error).message;
  }
};

describe('postqueue -j', () => {
  const POSTFIX = `{"queue_name": "deferred", "queue_id": "B09632124D7", "arrival_time": 1795267542, "message_size": 268, "forced_expire": false, "sender": "a@example.net", "recipients": [{"address": "user@example.org", "delay_reason": "deferred transport"}]}
{"queue_name": "deferred", "queue_id": "B5B172124DC", "arrival_time": 1795267540, "message_size": 261, "forced_expire": false, "sender": "MAILER-DAEMON", "recipients": [{"address": "u2@example.org", "delay_reason": "deferred transport"}]}
{"queue_name": "active", "queue_id": "4WcRnf0Rk2z1y", "arrival_time": 1795267542, "message_size": 268, "sender": "\\",\\"queue_name\\": \\"hold\\"@example.net", "recipients": [{"address": "user@exam`;

  it('is counted by queue, with the oldest', () => {
    assert.deepEqual(read(postfixListing(1795267600_000), POSTFIX), {
      messages: 3,
      byQueue: { deferred: 2, active: 1 },
      oldestMs: MINUTE,
    });
  });
  it('is nothing for an empty queue', () => {
    assert.deepEqual(read(postfixListing(0), ''), { messages: 0, byQueue: {} });
  });
  it('knows no age below nothing, as with a clock set back', () => {
    assert.equal(read(postfixListing(0), POSTFIX).oldestMs, 0);
  });
  for (const [what, text] of [
    ['its other form', '-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------'],
    ['another empty queue', 'Mail queue is empty'],
    ['a line of it among others', `${POSTFIX}\npostqueue: warning`],
  ] as const) {
    it(`is not ${what}`, () => {
      assert.match(complaint(postfixListing(0), text), /^printed ".*", which is not like postqueue -j$/);
    });
  }
});

describe('exim -bpc and -bp', () => {
  const EXIM = ` 4h   278 1xUl5R-0002BX-0J <a1@example.net> *** frozen ***
          u@example.org
          v@example.org

 2m   1.2K 1xUl5R-00000002Bg2-0P8w <>
          u@example.org

 0m   324 1xUl5R-0002Bj-0R <"a b"@example.net>
        D "<x y> *** frozen ***"@example.org
 0m   324 1xUl5R-0002Bk-0R (me) <me@example.net>
          17@example.org
`;
  const cases: [what: string, text: string, expected: QueueCount][] = [
    ['the number alone', '5', { messages: 5 }],
    ['an empty queue', '0\n', { messages: 0 }],
    ['the whole list', EXIM, { messages: 4, byQueue: { frozen: 1, waiting: 3 }, oldestMs: 4 * 60 * MINUTE }],
    ['both', `4\n${EXIM}`, { messages: 4, byQueue: { frozen: 1, waiting: 3 }, oldestMs: 4 * 60 * MINUTE }],
    ['a list that was cut', `90000\n${EXIM}`, { messages: 90_000, oldestMs: 4 * 60 * MINUTE }],
    [
      'days',
      ' 3d   278 1xUl5R-0002BX-0J <a@example.net>',
      { messages: 1, byQueue: { frozen: 0, waiting: 1 }, oldestMs: 3 * 86_400_000 },
    ],
    ['nothing', '', { messages: 0 }],
  ];
  for (const [what, text, expected] of cases) {
    it(`is ${what}`, () => assert.deepEqual(read(eximListing(), text), expected));
  }
  it('is not what another program prints', () => {
    assert.match(complaint(eximListing(), 'Mail queue is empty'), /not like exim/);
  });
});

describe('mailq of Sendmail', () => {
  const SENDMAIL = `\t\t/var/spool/mqueue (3 requests)
-----Q-ID----- --Size-- -----Q-Time----- ------------Sender/Recipient-----------
6ALDPeCI008900        3 Sat Nov 21 13:25 a1@example.net
                 (alias database unavailable)
\t\t\t\t\t u@example.org
6ALDPenE008906*       3 Sat Nov 21 12:25 a3@example.net
                 (Sat Nov 21 11:25 Total requests: 7)
\t\t\t\t\t u@example.org
6ALDPeaG008903- (no control file)
`;
  const at = new Date(2026, 10, 21, 13, 30).getTime();
  const cases: [what: string, text: string, expected: QueueCount, nowMs?: number][] = [
    ['a list with its sum', `${SENDMAIL}\t\tTotal requests: 3\n`, { messages: 3, oldestMs: 65 * MINUTE }],
    ['an empty queue', '/var/spool/mqueue is empty\n\t\tTotal requests: 0\n', { messages: 0 }],
    [
      'a list of last year',
      `6ALDPeCI008900        3 Thu Dec 31 23:50 a1@example.net\n\t\tTotal requests: 1`,
      { messages: 1, oldestMs: 20 * MINUTE },
      new Date(2027, 0, 1, 0, 10).getTime(),
    ],
  ];
  for (const [what, text, expected, nowMs = at] of cases) {
    it(`is ${what}`, () => assert.deepEqual(read(sendmailListing(nowMs), text), expected));
  }
  for (const text of [SENDMAIL, 'Mail queue is empty', '']) {
    it(`is not ${JSON.stringify(text.slice(0, 20))}, without a sum`, () => {
      assert.match(complaint(sendmailListing(at), text), /not like mailq of Sendmail/);
    });
  }
});

describe('a command', () => {
  for (const [text, expected] of [
    ['17', 17],
    ['  17 \n\n', 17],
    ['0', 0],
  ] as const) {
    it(`says ${JSON.stringify(text)}`, () =>
      assert.deepEqual(read(numberListing(), text), { messages: expected }));
  }
  for (const text of ['', '17\n18', 'seventeen', '-1', '1.5', '17 messages', '12345678901']) {
    it(`may not say ${JSON.stringify(text)}`, () =>
      assert.match(complaint(numberListing(), text), /not like a command that prints one number/));
  }
});

describe('all readers', () => {
  const readers = {
    postfix: () => postfixListing(0),
    exim: eximListing,
    sendmail: () => sendmailListing(0),
    numberListing,
  };
  for (const [name, make] of Object.entries(readers)) {
    it(`${name} takes any line`, () => {
      fc.assert(
        fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 80 })), (lines) => {
          const said = complaint(make(), lines.join('\n'));
          assert.ok(/^\{"messages":\d/.test(said) || said.startsWith('printed '));
        }),
      );
    });
    it(`${name} reads a long line of one kind fast`, () => {
      const listing = make();
      for (const c of [' ', '1', 'a', '{', '"']) for (let i = 0; i < 1000; i++) listing.take(c.repeat(512));
      assert.match(complaint(listing, ''), /^\{|printed/);
    });
  }
});
