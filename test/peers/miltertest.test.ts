/** Debian's miltertest, an MTA's side of the milter protocol that others wrote, judges ours. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { startDns } from '../dns.ts';
import { startGate } from '../gate.ts';
import { runProgram } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { needUnpacked } from './unpacked.ts';

const TABLES = `[[listen]]
door = "milter"
address = "127.0.0.1:0"
[[block]]
client = "127.31.7.7"
[[block]]
recipient = "closed@example.org"
[[allow]]
recipient = "open@example.org"
[checks.client-list]
refuse_at = "earliest"
[checks.fcrdns]
on_fail = "defer"
refuse_at = "earliest"
[checks.helo]
refuse_at = "earliest"
[checks.helo-dns]
on_fail = "defer"
refuse_at = "earliest"
[checks.sender-domain]
refuse_at = "earliest"
[checks.greylist]
greylist_at = 100
[checks.greylist-null]
mode = "classic"
[checks.header-form]
on_fail = "refuse"
`;
const LIMITS = `message_size = "64KiB"
header_size = "4KiB"
`;

const CASES: Readonly<Record<string, string>> = {
  'asks for what it needs, and for no more': `
    mt.negotiate(conn, nil, nil, nil)
    check("constants", SMFIF_CHGHDRS and SMFIF_CHGBODY and SMFIF_DELRCPT and SMFIF_QUARANTINE and SMFIP_NOHDRS)
    for _, action in ipairs { SMFIF_ADDHDRS, SMFIF_CHGHDRS } do check("action", mt.test_action(conn, action)) end
    for _, action in ipairs { SMFIF_CHGBODY, SMFIF_ADDRCPT, SMFIF_DELRCPT, SMFIF_QUARANTINE } do
      check("no action", not mt.test_action(conn, action))
    end
    check("header", not mt.test_option(conn, SMFIP_NOHDRS))`,
  'connect: continue': 'connect("127.31.8.1", "continue")',
  'connect: refused': 'connect("127.31.7.7", "reply")',
  'connect: deferred': 'connect("192.0.2.1", "reply")',
  'connect: accepted, for it came by no network': 'connect("unspec", "accept")',
  'helo: refused': 'connect("127.31.8.1", "continue") helo("mx.example.org", "reply")',
  'helo: deferred': 'connect("127.31.8.1", "continue") helo("nowhere.invalid", "reply")',
  'helo: said again': `
    connect("127.31.8.1", "continue")
    helo("mx.example.org", "reply")
    helo("client.example.net", "continue")
    envelope()`,
  'mail: refused, and the next one is not': `
    connect("127.31.8.1", "continue")
    helo("client.example.net", "continue")
    mail("<a@nowhere.invalid>", "reply")
    mt.abort(conn)
    envelope()`,
  'mail: what is no address is for later': `
    connect("127.31.8.1", "continue")
    helo("client.example.net", "continue")
    mail("<a b>c@>", "reply")`,
  'mail: of a user who has authenticated': `
    connect("127.31.8.1", "continue")
    helo("client.example.net", "continue")
    mt.macro(conn, SMFIC_MAIL, "i", "queue-id", "{auth_authen}", "alice", "{auth_type}", "PLAIN")
    mail("<a@nowhere.invalid>", "continue")
    rcpt("<closed@example.org>", "continue")`,
  'data: deferred, for it has the null sender': `
    connect("127.31.8.1", "continue")
    helo("client.example.net", "continue")
    mail("<>", "continue")
    rcpt("<user@example.org>", "continue")
    data("reply")`,
  'rcpt: refused, deferred, taken': `
    connect("127.31.8.1", "continue")
    helo("client.example.net", "continue")
    mail("<a@example.net>", "continue")
    rcpt("<closed@example.org>", "reply")
    rcpt("<a b>c@>", "reply")
    rcpt("<user@example.org>", "continue")
    rcpt("<open@example.org>", "reply")
    rcpt("<other@example.org>", "continue")
    data("continue")`,
  'message: our fields on top, forged ones out': `
    begin()
    header("X-Postern", "id=FORGED11")
    header("Authentication-Results", "mx.example.org; spf=pass")
    header("Authentication-Results", "other.example.net; spf=pass")
    header("X-Postern", "id=FORGED22")
    header("From", "a@example.net")
    header("Date", DATE)
    eoh()
    body("Hello\\r\\n", "continue")
    eom("accept")
    check("X-Postern in", mt.eom_check(conn, MT_HDRINSERT, "X-Postern"))
    check("its id", string.match(mt.getheader(conn, "X-Postern", 0), "id=%w+; suspicion="))
    check("Authentication-Results in", mt.eom_check(conn, MT_HDRINSERT, "Authentication-Results"))
    check("X-Postern out", mt.eom_check(conn, MT_HDRDELETE, "X-Postern"))
    check("Authentication-Results out", mt.eom_check(conn, MT_HDRDELETE, "Authentication-Results"))
    check("nothing of From", not mt.eom_check(conn, MT_HDRDELETE, "From"))
    check("no body", not mt.eom_check(conn, MT_BODYCHANGE))
    check("no recipient out", not mt.eom_check(conn, MT_RCPTDELETE, "<user@example.org>"))
    check("no quarantine", not mt.eom_check(conn, MT_QUARANTINE))`,
  'message: refused, and left as it is': `
    begin()
    header("From", "a@example.net")
    eoh()
    body("Hello\\r\\n", "continue")
    eom("reply")
    check("no field", not mt.eom_check(conn, MT_HDRINSERT))`,
  'message: without a header, without a body': `
    begin()
    eoh()
    eom("reply")`,
  'message: too large is told when it is over, and not read to the end': `
    begin()
    header("From", "a@example.net")
    header("Date", DATE)
    eoh()
    for i = 1, 8 do body(string.rep("x", 8000), "continue") end
    body(string.rep("x", 8000), "skip")
    eom("reply")
    local words = "Refused: the message is larger than 65536 octets"
    check("words", mt.eom_check(conn, MT_SMTPREPLY, "552", "5.3.4", words))`,
  'message: its header is too large': `
    begin()
    header("From", "a@example.net")
    for i = 1, 10 do header("X-Long", string.rep("x", 900)) end
    eoh()
    eom("reply")
    local words = "Refused: the header is larger than 4096 octets"
    check("words", mt.eom_check(conn, MT_SMTPREPLY, "552", "5.3.4", words))`,
  'abort: in the header, and nothing of it is left in the next message': `
    begin()
    header("X-Postern", "id=FORGED11")
    mt.abort(conn)
    envelope()
    header("From", "a@example.net")
    header("Date", DATE)
    eoh()
    body("Hello\\r\\n", "continue")
    eom("accept")
    check("nothing to delete", not mt.eom_check(conn, MT_HDRDELETE))
    check("X-Postern in", mt.eom_check(conn, MT_HDRINSERT, "X-Postern"))`,
  'message after message on one connection': `
    begin()
    header("From", "a@example.net")
    header("Date", DATE)
    eoh()
    body("Hello\\r\\n", "continue")
    eom("accept")
    local first = mt.getheader(conn, "X-Postern", 0)
    envelope()
    header("From", "a@example.net")
    eoh()
    eom("reply")
    envelope()
    header("From", "a@example.net")
    header("Date", DATE)
    eoh()
    eom("accept")
    check("ids differ", first ~= mt.getheader(conn, "X-Postern", 0))`,
  'an old MTA: version 2, without what came later': `
    mt.negotiate(conn, 2, SMFIF_ADDHDRS + SMFIF_CHGHDRS, 0x7f)
    connect("127.31.8.1", "continue")
    helo("client.example.net", "continue")
    mail("<a@example.net>", "continue")
    rcpt("<user@example.org>", "continue")
    header("From", "a@example.net")
    header("X-Postern", "id=FORGED11")
    header("Date", DATE)
    eoh()
    for i = 1, 8 do body(string.rep("x", 7000), "continue") end
    eom("accept")
    check("X-Postern out", mt.eom_check(conn, MT_HDRDELETE, "X-Postern"))`,
};

it('miltertest is content', async (t) => {
  const packages = needUnpacked(t);
  if (packages === undefined) return;
  const dir = await tempDir(t);
  const gate = await startGate(t, {
    dir,
    backend: `maildir:${join(dir, 'unused')}`,
    dns: await startDns(t),
    limits: LIMITS,
    tables: TABLES,
  });
  const [, port] = await gate.process.line(
    /"msg":"listening".*"door":"milter","address":"127\.0\.0\.1:(\d+)"/,
  );
  const prelude = await readFile(join(import.meta.dirname, 'miltertest.lua'), 'utf8');
  const constants = `SOCKET = "inet:${port}@127.0.0.1"\nDATE = "${new Date().toUTCString().replace('GMT', '+0000')}"\n`;
  const run = async (script: string) => {
    const file = join(dir, 'script.lua');
    await writeFile(file, `${constants}${prelude}${script}\nmt.disconnect(conn)\n`);
    return runProgram(t, packages.path('usr/bin/miltertest'), ['-v', '-v', '-s', file], {
      env: { LD_LIBRARY_PATH: packages.libraries },
    });
  };
  for (const [name, script] of Object.entries(CASES)) {
    await t.test(name, async () => {
      const { exit, output } = await run(script);
      assert.equal(exit, 0, output);
    });
  }
  await t.test('and can be discontent', async () => {
    const { exit, output } = await run('connect("127.31.8.1", "reply")');
    assert.notEqual(exit, 0);
    assert.match(output, /connect: c instead of reply/);
  });
});
