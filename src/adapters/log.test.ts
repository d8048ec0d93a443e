import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decision } from '../../test/contracts/journal.ts';
import type { Decision, DecisionOutcome } from '../core/decision.ts';
import { reply } from '../mail/reply.ts';
import { harmless, jsonText } from './harmless.ts';
import { createLog, decisionLine, refusedBeside } from './log.ts';
import { painter } from './paint.ts';

function capture(isTTY = false) {
  const lines: string[] = [];
  return { lines, output: { isTTY, write: (text: string) => lines.push(text) } };
}

const HOSTILE = decision({
  id: 'K7Q2MX4D',
  reply: reply(550, '5.7.1', 'Refused: \x1b[2J\r\nfaked line'),
  session: {
    ...decision({ id: 'x' }).session,
    helo: { verb: 'EHLO', name: 'evil\x1b]0;title\x07\u202eexe' },
  },
});

describe('the log', () => {
  it('has one line a decision with the facts of it', () => {
    const { lines, output } = capture();
    createLog('auto', output).decision(decision({ id: 'K7Q2MX4D', sizeOctets: 99, suspicion: 2 }));
    assert.equal(lines.length, 1);
    const { time, ...line } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
    assert.deepEqual(line, {
      level: 'info',
      msg: 'decision',
      id: 'K7Q2MX4D',
      door: 'gateway',
      client: '192.0.2.7',
      helo: 'mail.example.net',
      from: '<ann@example.net>',
      to: ['Bob@example.org'],
      outcome: 'refused',
      check: 'helo',
      code: 'no-fqdn',
      reply: '550 5.7.1 Refused: no',
      suspicion: 2,
      size: 99,
      ms: 13,
    });
  });

  it('says how a message was tagged, and who decided where no check did', () => {
    const [bob] = decision({ id: 'x' }).recipients;
    const accepted = [{ ...bob!, outcome: 'accepted' as const, reply: reply(250, '2.1.5', 'Ok') }];
    const nobody = { check: undefined, code: undefined };
    const tagged = decision({
      id: 'A',
      outcome: 'accepted',
      recipients: accepted,
      tags: ['spf:softfail', 'dkim:fail'],
      ...nobody,
    });
    const unknown = decision({ id: 'B', reply: reply(550, '5.1.1', 'No such user'), ...nobody });
    for (const isTTY of [false, true]) {
      const { lines, output } = capture(isTTY);
      const log = createLog('auto', output);
      log.decision(tagged);
      log.decision(unknown);
      assert.match(
        lines[0] ?? '',
        isTTY ? / tagged spf:softfail,dkim:fail / : /"tags":\["spf:softfail","dkim:fail"\]/,
      );
      assert.match(lines[1] ?? '', isTTY ? / by backend / : /"by":"backend"/);
    }
  });

  it('tells of lists that are silent, of listeners that are gone, and of what will do harm', () => {
    for (const isTTY of [false, true]) {
      const { lines, output } = capture(isTTY);
      const log = createLog('auto', output);
      log.zone({ kind: 'silent', zone: 'zen.example', reason: '5 questions' });
      log.zone({ kind: 'answers', zone: 'zen.example' });
      log.closed('gateway', '::1', 25);
      log.warned(['postern.toml:3: networks: all', 'two']);
      assert.match(
        lines[0] ?? '',
        isTTY ? /list silent.* zen\.example: 5 questions/ : /"level":"warn".*"list silent"/,
      );
      assert.match(lines[1] ?? '', isTTY ? /list answers zen\.example/ : /"level":"info".*"list answers"/);
      assert.match(lines[2] ?? '', isTTY ? /gateway listens no more on \[::1\]:25/ : /"msg":"closed"/);
      assert.match(
        lines[3] ?? '',
        isTTY ? /note.* postern\.toml:3: networks/ : /"level":"warn".*"warning":"postern/,
      );
      assert.equal(lines.length, 5);
    }
  });

  it('bounds what a client can make it write', () => {
    const many = decision({ id: 'x' });
    const [one] = many.recipients;
    const recipients = Array.from({ length: 11 }, () => ({
      ...one!,
      mailbox: { local: 'x'.repeat(5000), domain: 'd' },
    }));
    const line = decisionLine({ ...many, recipients });
    assert.equal(line.to.length, 10);
    assert.equal(line.recipients, 11);
    assert.ok(JSON.stringify(line).length < 5000);
  });

  it('is text on a terminal, and neither moves it nor begins a second line', () => {
    const { lines, output } = capture(true);
    createLog('auto', output).decision(HOSTILE);
    assert.equal(lines.length, 1);
    const text = (lines[0] ?? '').replaceAll(/\x1b\[\d+m/g, '');
    assert.doesNotMatch(text.slice(0, -1), /[\x00-\x1f\u202e]/);
    assert.match(
      text,
      /refused {3}192\.0\.2\.7 helo=evil\\u001b\]0;title\\u0007\\u202eexe <ann@example\.net> → Bob@example\.org helo:no-fqdn 13ms id=K7Q2MX4D/,
    );
    assert.match(text, /faked line/);
  });

  it('makes harmful characters visible and leaves the rest', () => {
    const cases: [string, string][] = [
      ['grün ☃ 𝄞', 'grün ☃ 𝄞'],
      ['\x9b31m', '\\u009b31m'],
      ['\ud800', '\\ud800'],
      ['a\u2028b', 'a\\u2028b'],
    ];
    for (const [given, expected] of cases) assert.equal(harmless(given), expected);
  });

  it('in JSON says the same in characters that do no harm', () => {
    const sent = { name: 'grün ☃ 𝄞 \x9b31m \u202eexe \x7f \u2028 \ud800 \x1b[2J' };
    for (const indent of [undefined, 2]) {
      const text = jsonText(sent, indent);
      assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028\ud800]/u);
      assert.ok(text.includes('grün ☃ 𝄞'));
      assert.deepEqual(JSON.parse(text), sent);
    }
    const { lines, output } = capture();
    const log = createLog('json', output);
    const { session } = HOSTILE;
    log.decision({ ...HOSTILE, session: { ...session, helo: { verb: 'EHLO', name: sent.name } } });
    log.trouble(sent.name, new Error(sent.name));
    assert.equal(lines.length, 2);
    for (const line of lines) assert.doesNotMatch(line.trimEnd(), /[\x00-\x1f\x7f-\x9f\u202e]/u);
  });

  it('says what would have come of it without the watch profile', () => {
    const cases: [would: NonNullable<Decision['would']>, text: string][] = [
      [
        { kind: 'defer', check: 'greylist', code: 'new', suspicion: 3 },
        'would be deferred by greylist:new, suspicion 3',
      ],
      [
        { kind: 'refuse', check: 'suspicion', code: 'suspicion', suspicion: 12 },
        'would be refused by suspicion:suspicion, suspicion 12',
      ],
      [{ kind: 'go-on', suspicion: 1 }, 'would be let in, suspicion 1'],
    ];
    for (const [would, text] of cases) {
      const { lines, output } = capture();
      createLog('text', output).decision(decision({ id: 'x', outcome: 'accepted', would }));
      createLog('json', output).decision(decision({ id: 'x', outcome: 'accepted', would }));
      assert.ok(lines[0]?.includes(` ${text} `), lines[0]);
      assert.deepEqual((JSON.parse(lines[1] ?? '') as { would: unknown }).would, would);
    }
  });

  it('says whom the door turned away, and why', () => {
    const counted = { reason: 'emergency', connections: 14, networks: ['192.0.2.1', '192.0.2.2'] };
    const { lines, output } = capture();
    createLog('json', output).turnedAway(counted);
    createLog('text', output).turnedAway(counted);
    const { time, ...line } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    assert.ok(time);
    assert.deepEqual(line, { msg: 'turned away', level: 'warn', ...counted });
    assert.match(
      lines[1] ?? '',
      / turned away at the door: 14 \(emergency\), such as 192\.0\.2\.1, 192\.0\.2\.2\n$/,
    );
  });

  it('paints on a terminal only, and not with NO_COLOR', () => {
    assert.equal(painter({ isTTY: false }, {})('red', 'x'), 'x');
    assert.equal(painter({ isTTY: true }, { NO_COLOR: '1' })('red', 'x'), 'x');
    assert.equal(painter({ isTTY: true }, { NO_COLOR: '' })('red', 'x'), '\x1b[31mx\x1b[39m');
  });

  it('says how many recipients a message did not reach', () => {
    const [one] = decision({ id: 'x' }).recipients;
    const of = (...outcomes: DecisionOutcome[]) => outcomes.map((outcome) => ({ ...one!, outcome }));
    const cases: [
      outcome: DecisionOutcome,
      recipients: Decision['recipients'],
      refused?: number | undefined,
      deferred?: number | undefined,
      beside?: string,
    ][] = [
      ['accepted', of('accepted', 'accepted')],
      ['accepted', of('accepted', 'refused'), 1, undefined, ' (1 refused of 2)'],
      ['relayed', of('relayed', 'deferred', 'refused', 'refused'), 2, 1, ' (2 refused, 1 deferred of 4)'],
      ['accepted', of('accepted', 'deferred'), undefined, 1, ' (1 deferred of 2)'],
      ['refused', of('refused', 'refused')],
      ['deferred', of('refused', 'deferred')],
    ];
    for (const [outcome, recipients, refused, deferred, beside = ''] of cases) {
      const d = decision({ id: 'x', outcome, recipients });
      const line = decisionLine(d);
      assert.deepEqual([line.refusedRecipients, line.deferredRecipients], [refused, deferred], beside);
      assert.equal(refusedBeside(d), beside);
      const { lines, output } = capture();
      createLog('text', output).decision(d);
      assert.ok((lines[0] ?? '').includes(`${outcome.padEnd(9)}${beside} 192.0.2.7`), lines[0]);
    }
  });

  it('changes its form while it runs', () => {
    const { lines, output } = capture();
    const log = createLog('json', output);
    log.stopping();
    log.reformat('text');
    log.stopping();
    log.reformat('auto');
    log.stopping();
    assert.deepEqual(
      lines.map((line) => line.startsWith('{')),
      [true, false, true],
    );
  });

  it('says the rest in both forms', () => {
    for (const format of ['json', 'text'] as const) {
      const { lines, output } = capture();
      const log = createLog(format, output);
      log.listening('gateway', '::1', 25);
      log.trouble('the certificate', new Error('gone'), 'K7');
      log.zone({ kind: 'suspended', zone: 'zen.example', reason: 'lists all' });
      log.zone({ kind: 'resumed', zone: 'zen.example' });
      log.reloaded([]);
      log.reloaded(['postern.toml:1: bad']);
      log.stopping();
      log.stopped();
      const text = lines.join('');
      for (const part of [
        '[::1]:25',
        'gone',
        'K7',
        'zen.example',
        'lists all',
        'postern.toml:1: bad',
        'stopping',
        'stopped',
      ]) {
        assert.ok(text.includes(part), `${format}: ${part} in ${text}`);
      }
    }
  });
});
