import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { byteByByte, cutBySizes, whole, type Cut } from '../../../test/feed.ts';
import { DEFAULT_POLICY_LIMITS, type PolicyLimits } from './limits.ts';
import { ATTRIBUTES, type PolicyRequest } from './request.ts';
import { PolicyProtocol, type PolicyEvent } from './service.ts';

const policy = (limits: Partial<PolicyLimits> = {}) =>
  new PolicyProtocol({ ...DEFAULT_POLICY_LIMITS, ...limits });

function feed(protocol: PolicyProtocol, input: string | Buffer, cut: Cut = whole): PolicyEvent[] {
  const events: PolicyEvent[] = [];
  for (const piece of cut(Buffer.from(input))) {
    protocol.receive(Buffer.from(piece));
    for (let event = protocol.next(); event !== undefined; event = protocol.next()) {
      events.push(event);
      if (event.kind === 'request') protocol.answer({ kind: 'dunno' });
    }
  }
  return events;
}

/** SMTPD_POLICY_README's own example, with what came since. */
const EXAMPLE = [
  'request=smtpd_access_policy',
  'protocol_state=RCPT',
  'protocol_name=ESMTP',
  'helo_name=some.domain.tld',
  'queue_id=8045F2AB23',
  'sender=foo@bar.tld',
  'recipient=bar@foo.tld',
  'recipient_count=0',
  'client_address=192.0.2.7',
  'client_name=another.domain.tld',
  'reverse_client_name=another.domain.tld',
  'instance=123.456.7',
  'sasl_method=plain',
  'sasl_username=you',
  'sasl_sender=',
  'size=12345',
  'ccert_subject=solaris9.porcupine.org',
  'ccert_issuer=Wietse+20Venema',
  'ccert_fingerprint=C2:9D:F4:87:71:73:73:D9:18:E7:C2:F3:C1:DA:6E:04',
  'encryption_protocol=TLSv1/SSLv3',
  'encryption_cipher=DHE-RSA-AES256-SHA',
  'encryption_keysize=256',
  'etrn_domain=',
  'stress=',
  'ccert_pubkey_fingerprint=68:B3:29:DA:98:93:E3:40:99:C7:D8:AD:5C:B9:C9:40',
  'client_port=1234',
  'policy_context=submission',
  'server_address=198.51.100.1',
  'server_port=54321',
  'compatibility_level=3.6',
  'mail_version=3.8.0',
];
const EXPECTED: PolicyRequest = {
  state: 'RCPT',
  instance: '123.456.7',
  protocolName: 'ESMTP',
  clientAddress: '192.0.2.7',
  clientPort: 1234,
  clientName: 'another.domain.tld',
  reverseClientName: 'another.domain.tld',
  serverAddress: '198.51.100.1',
  serverPort: 54321,
  heloName: 'some.domain.tld',
  queueId: '8045F2AB23',
  sender: 'foo@bar.tld',
  recipient: 'bar@foo.tld',
  recipientCount: 0,
  sizeOctets: 12345,
  saslMethod: 'plain',
  saslUsername: 'you',
  saslSender: '',
  encryptionProtocol: 'TLSv1/SSLv3',
  encryptionCipher: 'DHE-RSA-AES256-SHA',
  encryptionKeysize: 256,
  ccertSubject: 'solaris9.porcupine.org',
  ccertIssuer: 'Wietse+20Venema',
  ccertFingerprint: 'C2:9D:F4:87:71:73:73:D9:18:E7:C2:F3:C1:DA:6E:04',
  policyContext: 'submission',
  stress: false,
};
const request = (...lines: string[]) => `${lines.join('\n')}\n\n`;
const BARE = ['request=smtpd_access_policy', 'protocol_state=RCPT'];
const only = (events: readonly PolicyEvent[]): PolicyRequest => {
  const [event] = events;
  assert.equal(events.length, 1);
  if (event?.kind !== 'request') return assert.fail(JSON.stringify(event));
  return event.request;
};

describe('a request', () => {
  for (const [name, cut] of [
    ['whole', whole],
    ['octet by octet', byteByByte],
    ['in elevens', cutBySizes([11])],
  ] as const) {
    it(`comes out the same, cut ${name}, as often as it is sent`, () => {
      const protocol = policy();
      for (let i = 0; i < 3; i++) {
        assert.deepEqual(only(feed(protocol, request(...EXAMPLE), cut)), EXPECTED);
        assert.equal(protocol.unfinished, false);
      }
    });
  }

  it('may have its attributes in any order', () => {
    assert.deepEqual(only(feed(policy(), request(...EXAMPLE.toReversed()))), EXPECTED);
  });

  it('of the oldest Postfix has little', () => {
    const read = only(feed(policy(), request(...BARE)));
    assert.deepEqual(
      Object.entries(read).filter(([, value]) => value !== '' && value !== 0),
      [
        ['state', 'RCPT'],
        ['stress', false],
      ],
    );
  });

  it('reads every attribute that it says it reads', () => {
    const plain = only(feed(policy(), request(...BARE)));
    for (const name of ATTRIBUTES) {
      if (name === 'request' || name === 'protocol_state') continue;
      const value = name.endsWith('address') ? '192.0.2.9' : '77';
      assert.notDeepEqual(only(feed(policy(), request(...BARE, `${name}=${value}`))), plain, name);
    }
  });

  const fields: [string, Partial<PolicyRequest>][] = [
    ['sender=', { sender: '' }],
    ['sender=a=b@example.net', { sender: 'a=b@example.net' }],
    ['sender=two words@example.net', { sender: 'two words@example.net' }],
    ['helo_name=bücher.example', { heloName: 'bücher.example' }],
    ['client_port=unknown', { clientPort: 0 }],
    ['size=-1', { sizeOctets: 0 }],
    ['size=999999999999999', { sizeOctets: 999_999_999_999_999 }],
    ['size=9999999999999999', { sizeOctets: 0 }],
    ['size=0x10', { sizeOctets: 0 }],
    ['client_address=2001:DB8:0::7', { clientAddress: '2001:db8::7' }],
    ['client_address=::ffff:192.0.2.7', { clientAddress: '192.0.2.7' }],
    ['stress=yes', { stress: true }],
    ['helo_name=a\rb\x1b', { heloName: 'a?b?' }],
    ['sender=a\rb@example.net', { sender: 'a\rb@example.net' }],
    ['__proto__=x', {}],
    ['unheard_of=x\nunheard_of=y', {}],
  ];
  for (const [line, expected] of fields) {
    it(JSON.stringify(line), () => {
      const read = only(feed(policy(), request(...BARE, line)));
      assert.deepEqual({ ...read, ...expected }, read);
    });
  }

  it('without an address that is one has none', () => {
    for (const value of ['unknown', '', 'localhost', '192.0.2']) {
      const read = only(feed(policy(), request(...BARE, `client_address=${value}`)));
      assert.equal('clientAddress' in read, false, value);
    }
  });

  it('is octets where it is no UTF-8', () => {
    const bytes = Buffer.from(request(...BARE, 'helo_name=b\xfccher'), 'latin1');
    assert.equal(only(feed(policy(), bytes)).heloName, 'bücher');
  });

  for (const state of ['CONNECT', 'EHLO', 'HELO', 'MAIL', 'RCPT', 'DATA', 'END-OF-MESSAGE', 'VRFY', 'ETRN']) {
    it(`at ${state}`, () => {
      assert.equal(only(feed(policy(), request(BARE[0]!, `protocol_state=${state}`))).state, state);
    });
  }
  it('at a state that is newer than we are', () => {
    assert.equal(only(feed(policy(), request(BARE[0]!, 'protocol_state=BDAT'))).state, 'other');
  });
});

describe('what is no request ends the connection without an answer', () => {
  const cases: [string, string, string][] = [
    ['an empty line', '\n', 'empty-request'],
    ['an empty line behind a request', `${request(...BARE)}\n`, 'empty-request'],
    ['no type', request('protocol_state=RCPT'), 'request-missing'],
    ['another type', request('request=junk_mail', 'protocol_state=RCPT'), 'other-request'],
    ['no state', request(BARE[0]!), 'state-missing'],
    ['a line without a sign', request(...BARE, 'sender'), 'no-attribute'],
    ['a line without a name', request(...BARE, '=x'), 'no-attribute'],
    [
      'an attribute twice',
      request(...BARE, 'sender=a@example.net', 'sender=b@example.net'),
      'attribute-twice',
    ],
    ['CRLF', request(...BARE).replaceAll('\n', '\r\n'), 'control-character'],
    ['CR', request(...BARE, 'helo_name=a\r'), 'control-character'],
    ['NUL', request(...BARE, 'unheard_of=a\0b'), 'control-character'],
    ['an SMTP client', 'EHLO c.example.net\n', 'no-attribute'],
    ['an HTTP client', 'GET / HTTP/1.1\n', 'no-attribute'],
  ];
  for (const [name, input, error] of cases) {
    it(`${name}: ${error}`, () => {
      const protocol = policy();
      const events = feed(protocol, input);
      assert.deepEqual(events.at(-1), { kind: 'bad', error });
      assert.equal(protocol.closed, true);
      assert.equal(protocol.answer({ kind: 'dunno' }), '');
      assert.deepEqual(feed(protocol, request(...BARE)), []);
      assert.equal(protocol.unfinished, false);
    });
  }
});

describe('limits', () => {
  const outcome = (limits: Partial<PolicyLimits>, input: string) =>
    feed(policy(limits), input).map((e) => (e.kind === 'bad' ? e.error : e.kind));
  for (const [octets, expected] of [
    [99, 'request'],
    [100, 'request'],
    [101, 'line-too-long'],
  ] as const) {
    it(`a line of ${octets}: ${expected}`, () => {
      const line = `helo_name=${'x'.repeat(octets - 10)}`;
      assert.deepEqual(outcome({ lineOctets: 100 }, request(...BARE, line)), [expected]);
      // Without its end as well, as soon as it is sure.
      assert.deepEqual(outcome({ lineOctets: 100 }, line), expected === 'request' ? [] : [expected]);
    });
  }

  const whole = request(...BARE).length;
  for (const [limit, expected] of [
    [whole + 1, 'request'],
    [whole, 'request'],
    [whole - 1, 'request-too-long'],
  ] as const) {
    it(`a request of ${whole} where ${limit} are allowed: ${expected}`, () => {
      assert.deepEqual(outcome({ requestOctets: limit }, request(...BARE)), [expected]);
      assert.deepEqual(outcome({ requestOctets: limit }, request(...BARE).repeat(2)).at(-1), expected);
    });
  }

  for (const [attributes, expected] of [
    [4, 'request'],
    [3, 'request'],
    [2, 'too-many-attributes'],
  ] as const) {
    it(`three attributes where ${attributes} are allowed: ${expected}`, () => {
      assert.deepEqual(outcome({ attributes }, request(...BARE, 'unheard_of=x')), [expected]);
      assert.deepEqual(outcome({ attributes }, request(...BARE, 'unheard_of=x').repeat(2)).at(-1), expected);
    });
  }

  for (const [early, expected] of [
    [199, undefined],
    [200, undefined],
    [201, 'input-overflow'],
  ] as const) {
    it(`${early} octets while it is our turn, where 200 are allowed: ${expected ?? 'kept'}`, () => {
      const protocol = policy({ requestOctets: 200 });
      protocol.receive(Buffer.from(request(...BARE)));
      assert.equal(protocol.next()?.kind, 'request');
      protocol.receive(Buffer.alloc(early - 1, 'x'));
      protocol.receive(Buffer.alloc(1, 'x'));
      const event = protocol.next();
      assert.equal(event?.kind === 'bad' ? event.error : event, expected);
      assert.equal(protocol.closed, expected !== undefined);
    });
  }
});

describe('whose turn it is', () => {
  it('shows, and nobody speaks twice', () => {
    const protocol = policy({ idleMs: 5 });
    assert.throws(() => protocol.answer({ kind: 'dunno' }), /no answer is due/);
    assert.deepEqual([protocol.deadlineMs, protocol.wantsAnswer], [5, false]);
    protocol.receive(Buffer.from(request(...BARE).repeat(2)));
    assert.equal(protocol.next()?.kind, 'request');
    assert.deepEqual([protocol.deadlineMs, protocol.wantsAnswer], [undefined, true]);
    assert.equal(protocol.next(), undefined);
    assert.equal(protocol.bufferedOctets, request(...BARE).length);
    assert.equal(protocol.answer({ kind: 'dunno' }), 'action=DUNNO\n\n');
    assert.equal(protocol.next()?.kind, 'request');
    assert.throws(() => {
      protocol.answer({ kind: 'reply', reply: { code: 250, enhanced: '', lines: [] } });
    }, /no code/);
    assert.equal(protocol.wantsAnswer, true, 'what was no answer leaves it due');
  });

  it('a request that has begun is not finished', () => {
    const protocol = policy();
    assert.equal(protocol.unfinished, false);
    feed(protocol, 'r');
    assert.equal(protocol.unfinished, true);
    feed(protocol, 'equest=smtpd_access_policy\n');
    assert.equal(protocol.bufferedOctets, 0);
    assert.equal(protocol.unfinished, true);
  });
});

describe('any octets', () => {
  const part = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...EXAMPLE.map((line) => `${line}\n`)) },
    { weight: 2, arbitrary: fc.constantFrom(request(...EXAMPLE), request(...BARE), '\n') },
    {
      weight: 1,
      arbitrary: fc.constantFrom('\r\n', '\0', '=', 'x', '=\n', 'x=\n', 'é=é\n', 'y'.repeat(3000)),
    },
    {
      weight: 1,
      arbitrary: fc.uint8Array({ maxLength: 40 }).map((octets) => Buffer.from(octets).toString('latin1')),
    },
  );
  const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 });
  it('are heard the same however they are cut, and never make it throw or keep more than its limits', () => {
    const limits = { lineOctets: 1000, requestOctets: 3000, attributes: 40 };
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), sizes, (parts, pieces) => {
        const input = parts.join('');
        const protocol = policy(limits);
        const inPieces = feed(protocol, input, cutBySizes(pieces));
        assert.ok(protocol.bufferedOctets <= limits.lineOctets);
        const atOnce = policy(limits);
        assert.deepEqual(inPieces, feed(atOnce, input));
        assert.equal(protocol.closed, atOnce.closed);
      }),
      { numRuns: 300 },
    );
  });
});
