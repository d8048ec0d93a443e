import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { reply } from '../../mail/reply.ts';
import { ClientDialogue, mailCommand, rcptCommand } from './client.ts';
import { DotStuffer } from './dot-stuffing.ts';
import { NOTHING_OFFERED, parseOffered } from './offered.ts';
import { MAX_XCLIENT_OCTETS, xclientCommands, xtext } from './xclient.ts';

describe('the client dialogue', () => {
  const kinds = (dialogue: ClientDialogue, text: string) =>
    dialogue.receive(Buffer.from(text)).map((e) => e.kind);

  it('matches each reply to what was asked, the greeting first', () => {
    const dialogue = new ClientDialogue();
    assert.throws(() => dialogue.command('EHLO x'));
    assert.deepEqual(kinds(dialogue, '220 x\r\n'), ['replied']);
    assert.equal(dialogue.command('EHLO x'), 'EHLO x\r\n');
    assert.throws(() => dialogue.command('MAIL'));
    assert.deepEqual(kinds(dialogue, '250-x\r\n250 y\r\n250 z\r\n'), ['replied', 'unsolicited']);
    dialogue.endOfMessage();
    assert.deepEqual(kinds(dialogue, '250 x\r\nhm\r\n'), ['replied', 'nonsense']);
  });

  it('sends no line end within a command', () => {
    for (const line of ['MAIL\r\nRCPT', 'MAIL\n', 'MAIL\r', 'MAIL\0']) {
      assert.throws(() => new ClientDialogue('after-starttls').command(line));
    }
  });

  it('knows what came behind the reply to STARTTLS', () => {
    for (const [text, clean] of [
      ['220 go\r\n', true],
      ['220 go\r\n2', false],
      ['220 go\r\n250-x\r\n', false],
    ] as const) {
      const dialogue = new ClientDialogue();
      dialogue.receive(Buffer.from(text));
      assert.equal(dialogue.startTls(), clean);
    }
  });
});

describe('commands', () => {
  const all = { ...NOTHING_OFFERED, size: true, eightBitMime: true, smtputf8: true, dsn: true };
  const parameters = {
    sizeOctets: 7,
    body: '8BITMIME',
    smtputf8: true,
    ret: 'FULL',
    envid: 'a+20b',
  } as const;
  const path = { local: 'a b', domain: 'example.net' };
  it('have the parameters that are offered', () => {
    assert.equal(
      mailCommand(path, parameters, all),
      'MAIL FROM:<"a b"@example.net> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=a+20b',
    );
    assert.equal(mailCommand(null, parameters, NOTHING_OFFERED), 'MAIL FROM:<>');
    assert.equal(mailCommand(null, {}, all), 'MAIL FROM:<>');
    assert.equal(
      rcptCommand(path, { notify: 'NEVER', orcpt: 'x' }, all),
      'RCPT TO:<"a b"@example.net> NOTIFY=NEVER ORCPT=x',
    );
    assert.equal(
      rcptCommand(path, { notify: 'NEVER', orcpt: 'x' }, NOTHING_OFFERED),
      'RCPT TO:<"a b"@example.net>',
    );
  });

  it('know what an EHLO reply offers', () => {
    const ehlo = (...lines: string[]) => parseOffered(reply(250, '', 'DSN SIZE 1', ...lines));
    assert.deepEqual(ehlo(), NOTHING_OFFERED);
    assert.deepEqual(
      ehlo('size 10', 'dsn', '8bitmime', 'smtputf8', 'STARTTLS', 'Pipelining', 'XCLIENT name ADDR'),
      {
        ...all,
        startTls: true,
        pipelining: true,
        sizeOctets: 10,
        xclient: ['NAME', 'ADDR'],
      },
    );
    for (const line of ['SIZE', 'SIZE 0', 'SIZE x', 'SIZE -1', `SIZE ${'9'.repeat(16)}`]) {
      assert.deepEqual(ehlo(line), { ...NOTHING_OFFERED, size: true });
    }
  });
});

describe('dot-stuffing', () => {
  const stuff = (chunks: readonly string[]) => {
    const stuffer = new DotStuffer();
    return [...chunks.map((c) => stuffer.push(Buffer.from(c))), stuffer.end()].join('');
  };
  for (const [text, expected] of [
    ['', '.\r\n'],
    ['.', '..\r\n.\r\n'],
    ['.\r\n', '..\r\n.\r\n'],
    ['a\r\n.\r\n..\r\nb.\r\n', 'a\r\n..\r\n...\r\nb.\r\n.\r\n'],
    ['a', 'a\r\n.\r\n'],
    ['a\r', 'a\r\r\n.\r\n'],
    ['a\n', 'a\n\r\n.\r\n'],
    ['a\n.\n', 'a\n..\n\r\n.\r\n'],
  ] as const) {
    it(JSON.stringify(text), () => {
      assert.equal(stuff([text]), expected);
      assert.equal(stuff(Array.from(text)), expected);
    });
  }

  it('comes undone to what was sent, and holds no end but its own, however it is cut', () => {
    const chunks = fc.array(fc.string({ unit: fc.constantFrom('.', '\r\n', 'x') }));
    fc.assert(
      fc.property(chunks, (some) => {
        const text = `${some.join('')}\r\n`;
        const sent = stuff([...some, '\r\n']);
        assert.equal(`\r\n${sent}`.indexOf('\r\n.\r\n'), sent.length - 3);
        assert.equal(sent.slice(0, -3).replace(/^\./gm, ''), text);
      }),
    );
  });
});

describe('XCLIENT', () => {
  const ALL = ['NAME', 'ADDR', 'PORT', 'PROTO', 'HELO', 'LOGIN'];
  it('names what is offered and makes the client harmless', () => {
    const client = {
      address: '::1',
      port: 2,
      heloVerb: 'HELO',
      heloName: 'a b=c+\r\nd',
      login: 'ü',
    } as const;
    assert.deepEqual(xclientCommands(ALL, client), [
      'XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:::1 PORT=2 PROTO=SMTP HELO=a+20b+3Dc+2B+0D+0Ad LOGIN=+C3+BC',
    ]);
    assert.deepEqual(xclientCommands(['ADDR', 'OTHER'], client), ['XCLIENT ADDR=IPV6:::1']);
    assert.deepEqual(xclientCommands([], client), []);
  });

  it('splits at 512 octets and drops what no backend could use', () => {
    const long = (n: number) => ({
      address: '192.0.2.7',
      port: 2,
      hostName: 'h'.repeat(n),
      heloName: 'x'.repeat(n),
      login: 'l'.repeat(n),
    });
    assert.equal(xclientCommands(ALL, long(255)).length, 3);
    assert.equal(xclientCommands(ALL, long(256)).length, 1);
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (hostName, heloName, login) => {
        for (const command of xclientCommands(ALL, {
          address: '192.0.2.7',
          port: 2,
          hostName,
          heloName,
          login,
        })) {
          assert.match(command, /^XCLIENT( [A-Z]+=[!-~]+)+$/);
          assert.ok(command.length + 2 <= MAX_XCLIENT_OCTETS);
        }
      }),
    );
  });

  it('xtext comes back as it went', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const octets = xtext(text).replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
          String.fromCharCode(parseInt(hex, 16)),
        );
        assert.equal(Buffer.from(octets, 'latin1').toString(), Buffer.from(text).toString());
      }),
    );
  });
});
