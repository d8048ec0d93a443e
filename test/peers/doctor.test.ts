/** What `postern doctor` makes of a real Postfix's configuration, as postconf prints it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { LADDER } from '../../src/checks/ladder.ts';
import { doctorCommand } from '../../src/cli/doctor.ts';
import { tellPolicyInExim } from '../../src/cli/doctor/exim.ts';
import { formatForPostfix, type Place } from '../../src/cli/doctor/place.ts';
import { tellMilterInPostfix } from '../../src/cli/doctor/postfix-milter.ts';
import { tellPolicyInPostfix } from '../../src/cli/doctor/postfix-policy.ts';
import { readPostfixFolder, readUser } from '../../src/cli/doctor/programs.ts';
import { readSendmail, tellMilterInSendmail } from '../../src/cli/doctor/sendmail.ts';
import { tellingOf, type Told } from '../../src/cli/doctor/told.ts';
import { onEnd } from '../program.ts';
import { tempDir } from '../tempdir.ts';
import { guideLines } from './guide.ts';
import { need } from './peer.ts';

const MILTER: Place = { host: '127.0.0.1', port: 8891 };
const POLICY: Place = { host: '127.0.0.1', port: 10_023 };
const MASTER = ['smtp inet n - n - - smtpd', 'cleanup unix n - n - 0 cleanup'];

interface Given {
  readonly main: readonly string[];
  readonly master?: readonly string[];
}

/** A configuration folder as an operator would have it; nothing is started. */
async function folder(t: TestContext, { main, master = MASTER }: Given, dir?: string): Promise<string> {
  const etc = join(dir ?? (await tempDir(t)), 'etc');
  await mkdir(etc, { recursive: true });
  await writeFile(join(etc, 'main.cf'), ['compatibility_level = 3.6', ...main, ''].join('\n'));
  await writeFile(join(etc, 'master.cf'), [...master, ''].join('\n'));
  // Postfix reads a file again and again until it has been left alone for two seconds.
  for (const name of ['main.cf', 'master.cf']) await utimes(join(etc, name), 0, 0);
  return etc;
}

async function told(
  t: TestContext,
  door: 'milter' | 'policy',
  given: Given,
  listener = door === 'milter' ? MILTER : POLICY,
  dir?: string,
): Promise<Told[]> {
  const postfix = await readPostfixFolder(await folder(t, given, dir));
  assert.ok(typeof postfix === 'object', JSON.stringify(postfix));
  const all: Told[] = [];
  const around = {
    user: await readUser(postfix.main.get('mail_owner') ?? ''),
    checksTimeoutMs: 20_000,
  };
  const tellDoor = door === 'milter' ? tellMilterInPostfix : tellPolicyInPostfix;
  tellDoor(listener, postfix, around, tellingOf(door, all));
  return all;
}

const shown = (all: readonly Told[]): string[] => all.map(({ state, code }) => `${state} ${code}`);

interface Case extends Given {
  readonly name: string;
  readonly expected: readonly string[];
  /** Of the first that is not well. */
  readonly text?: RegExp;
  readonly remedy?: RegExp;
}

function check(all: readonly Told[], { expected, text, remedy }: Case): void {
  assert.deepEqual(shown(all), expected);
  const first = all.find(({ state }) => state !== 'well');
  if (text !== undefined) assert.match(first?.text ?? '', text);
  if (remedy !== undefined) assert.match(first?.remedy ?? '', remedy);
}

const NAMED = 'smtpd_milters = inet:127.0.0.1:8891';
const GOOD_MILTER = ['well postfix-asks', 'well milter-protocol', 'well default-action'];

const MILTERS: readonly Case[] = [
  { name: 'is there', main: [NAMED], expected: GOOD_MILTER },
  {
    name: 'is there by a name of the operator',
    main: ['gate = inet:localhost:8891', 'smtpd_milters = unix:/run/other, $gate'],
    expected: GOOD_MILTER,
  },
  {
    name: 'is not there',
    main: [],
    expected: ['wrong postfix-does-not-ask'],
    text: /^Postfix's smtp\/inet does not ask it: smtpd_milters is empty\.$/,
    remedy: /^in main\.cf: smtpd_milters = inet:127\.0\.0\.1:8891; then: postfix reload$/,
  },
  {
    name: 'another is there',
    main: ['smtpd_milters = inet:127.0.0.1:8892'],
    expected: ['wrong postfix-does-not-ask'],
    text: /smtpd_milters is "inet:127\.0\.0\.1:8892"/,
    remedy: /smtpd_milters = inet:127\.0\.0\.1:8892, inet:127\.0\.0\.1:8891/,
  },
  {
    name: 'is overridden in master.cf',
    main: [NAMED],
    master: [`${MASTER[0]} -o smtpd_milters=`],
    expected: ['wrong service-has-its-own'],
    text: /own smtpd_milters in master\.cf is empty/,
    remedy: /take the line "-o smtpd_milters" of smtp\/inet out of master\.cf/,
  },
  {
    name: 'is in master.cf alone',
    main: [],
    master: [`${MASTER[0]} -o ${NAMED.replaceAll(' ', '')}`],
    expected: GOOD_MILTER,
  },
  {
    name: 'is behind postscreen',
    main: [NAMED],
    master: ['smtp inet n - n - 1 postscreen', 'smtpd pass - - n - - smtpd'],
    expected: GOOD_MILTER,
  },
  {
    name: 'submission has none',
    main: [NAMED],
    master: [...MASTER, 'submission inet n - n - - smtpd -o smtpd_milters='],
    expected: [...GOOD_MILTER, 'note others-do-not-ask'],
    text: /^submission\/inet does not ask it/,
  },
  {
    name: 'there is no smtpd',
    main: [NAMED],
    master: ['cleanup unix n - n - 0 cleanup'],
    expected: ['wrong no-smtpd'],
    text: /has no smtpd/,
  },
  {
    name: 'an old protocol',
    main: [NAMED, 'milter_protocol = 2'],
    expected: ['well postfix-asks', 'wrong milter-protocol', 'well default-action'],
    text: /milter_protocol is "2"/,
    remedy: /milter_protocol = 6/,
  },
  {
    name: 'mail passes while it is down',
    main: ['smtpd_milters = { inet:127.0.0.1:8891, default_action=accept }'],
    expected: ['well postfix-asks', 'well milter-protocol', 'note default-action'],
    text: /mail passes unseen/,
    remedy: /tempfail/,
  },
  {
    name: 'mail is refused while it is down',
    main: [NAMED, 'milter_default_action = reject'],
    expected: ['well postfix-asks', 'well milter-protocol', 'wrong default-action'],
    text: /refused for good/,
    remedy: /tempfail/,
  },
  {
    name: 'is given no time',
    main: [NAMED, 'milter_command_timeout = 5s'],
    expected: [...GOOD_MILTER, 'wrong command-timeout'],
    text: /waits 5 s .* may take 20 s/,
    remedy: /milter_command_timeout = 30s/,
  },
  {
    name: 'has exceptions by client',
    main: [NAMED, 'smtpd_milter_maps = cidr:/etc/postfix/milters'],
    expected: [...GOOD_MILTER, 'note milter-maps'],
    text: /smtpd_milter_maps is "cidr:\/etc\/postfix\/milters"/,
  },
  {
    name: 'sees local mail',
    main: [NAMED, 'non_smtpd_milters = $smtpd_milters'],
    expected: [...GOOD_MILTER, 'note local-mail'],
    text: /as if 127\.0\.0\.1 had sent it/,
  },
];

describe('doctor: a milter in Postfix', () => {
  for (const one of MILTERS)
    it(one.name, async (t) => {
      if (need(t, 'postconf') !== undefined) check(await told(t, 'milter', one), one);
    });
});

const ASKED = 'check_policy_service inet:127.0.0.1:10023';
const BEHIND = `smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, ${ASKED}`;
const AT_END = `smtpd_end_of_data_restrictions = ${ASKED}`;
const GOOD_POLICY = ['well postfix-asks', 'well at-end-of-data', 'well default-action'];

const POLICIES: readonly Case[] = [
  { name: 'is there', main: [BEHIND, AT_END], expected: GOOD_POLICY },
  {
    name: 'is there in braces',
    main: [BEHIND.replace('inet:127.0.0.1:10023', '{ inet:127.0.0.1:10023, timeout=30s }'), AT_END],
    expected: GOOD_POLICY,
  },
  {
    name: 'is behind the relay rules of their own list',
    main: [
      `smtpd_recipient_restrictions = ${ASKED}`,
      'smtpd_relay_restrictions = permit_mynetworks, defer_unauth_destination',
      'smtpd_relay_before_recipient_restrictions = yes',
      AT_END,
    ],
    expected: GOOD_POLICY,
  },
  {
    name: 'is there by a class that a table names',
    main: [
      'smtpd_restriction_classes = gate',
      `gate = ${ASKED}`,
      'smtpd_recipient_restrictions = reject_unauth_destination, check_recipient_access inline:{user@example.org=gate}',
      AT_END,
    ],
    expected: GOOD_POLICY,
  },
  {
    name: 'is not there',
    main: [],
    expected: ['wrong postfix-does-not-ask'],
    text: /^smtp\/inet: smtpd_recipient_restrictions is empty and does not name it\.$/,
    remedy: /^put "check_policy_service inet:127\.0\.0\.1:10023" behind reject_unauth_destination/,
  },
  {
    name: 'another is there',
    main: [BEHIND.replace('10023', '10024')],
    expected: ['wrong postfix-does-not-ask'],
    text: /It asks inet:127\.0\.0\.1:10024\.$/,
  },
  {
    name: 'is overridden in master.cf',
    main: [BEHIND],
    master: [`${MASTER[0]} -o smtpd_recipient_restrictions=permit_mynetworks,reject`],
    expected: ['wrong postfix-does-not-ask'],
    text: /\(its own, in master\.cf\) is "permit_mynetworks,reject"/,
  },
  {
    name: 'is before the relay rule',
    main: [
      `smtpd_recipient_restrictions = permit_mynetworks, ${ASKED}, reject_unauth_destination`,
      'smtpd_relay_restrictions =',
      AT_END,
    ],
    expected: ['wrong before-relay-rule', 'well at-end-of-data', 'well default-action'],
    text: /recipients that are none of yours/,
    remedy: /behind reject_unauth_destination/,
  },
  {
    name: 'is behind a word that ends the list',
    main: [`smtpd_recipient_restrictions = reject_unauth_destination, permit, ${ASKED}`, AT_END],
    expected: ['wrong never-reached', 'well at-end-of-data', 'well default-action'],
    text: /"permit" stands before it .* never asked/,
    remedy: /before "permit"/,
  },
  {
    name: 'is in another list',
    main: [`smtpd_client_restrictions = ${ASKED}`, AT_END],
    expected: ['wrong not-at-recipient', 'well at-end-of-data', 'well default-action'],
    text: /asked in smtpd_client_restrictions, not in smtpd_recipient_restrictions/,
  },
  {
    name: 'does not hear of the end',
    main: [BEHIND],
    expected: ['well postfix-asks', 'note not-at-end-of-data', 'well default-action'],
    text: /never hears that a delivery went well/,
    remedy: /smtpd_end_of_data_restrictions = check_policy_service inet:127\.0\.0\.1:10023/,
  },
  {
    name: 'mail passes while it is down',
    main: [BEHIND.replace('inet:127.0.0.1:10023', '{ inet:127.0.0.1:10023, default_action=DUNNO }'), AT_END],
    expected: ['well postfix-asks', 'well at-end-of-data', 'note default-action'],
    text: /mail passes unseen/,
  },
  {
    name: 'mail is refused while it is down',
    main: [BEHIND, AT_END, 'smtpd_policy_service_default_action = 554 5.7.1 closed'],
    expected: ['well postfix-asks', 'well at-end-of-data', 'wrong default-action'],
    text: /refused for good/,
    remedy: /451 4\.3\.5/,
  },
  {
    name: 'is given no time',
    main: [BEHIND, AT_END, 'smtpd_policy_service_timeout = 20s'],
    expected: [...GOOD_POLICY, 'wrong policy-timeout'],
    text: /waits 20 s .* may take 20 s/,
    remedy: /smtpd_policy_service_timeout = 30s/,
  },
];

describe('doctor: a policy service in Postfix', () => {
  for (const one of POLICIES)
    it(one.name, async (t) => {
      if (need(t, 'postconf') !== undefined) check(await told(t, 'policy', one), one);
    });
});

describe('doctor: a Unix socket and Postfix', () => {
  /** A socket at `path` below a queue folder that is looked for there. */
  async function socketBelow(
    t: TestContext,
    path: string,
    mode: number,
  ): Promise<{ dir: string; socket: string }> {
    const dir = await tempDir(t);
    const socket = join(dir, 'queue', path);
    await mkdir(join(socket, '..'), { recursive: true });
    const server = createServer().listen(socket);
    await once(server, 'listening');
    onEnd(t, () => new Promise((resolve) => server.close(() => resolve())));
    await chmod(socket, mode);
    return { dir, socket };
  }
  const CHROOT = ['smtp inet n - y - - smtpd'];

  it('is found in the chroot, by the path from the queue folder', async (t) => {
    if (need(t, 'postconf') === undefined) return;
    const { dir, socket } = await socketBelow(t, 'postern/milter', 0o666);
    const main = [`queue_directory = ${dir}/queue`, 'smtpd_milters = unix:postern/milter'];
    const all = await told(t, 'milter', { main, master: CHROOT }, { path: socket }, dir);
    assert.deepEqual(shown(all), [
      'well postfix-asks',
      'well socket-way',
      'well milter-protocol',
      'well default-action',
    ]);
  });

  it('is not found in the chroot by its whole path', async (t) => {
    if (need(t, 'postconf') === undefined) return;
    const { dir, socket } = await socketBelow(t, 'postern/milter', 0o666);
    const main = [`queue_directory = ${dir}/queue`, `smtpd_milters = ${formatForPostfix({ path: socket })}`];
    const [first] = await told(t, 'milter', { main, master: CHROOT }, { path: socket }, dir);
    assert.equal(first?.code, 'chroot-hides-socket');
    assert.match(first.text, /smtp\/inet runs in a chroot and looks below .*\/queue\.$/);
    assert.match(
      first.remedy ?? '',
      /address = "unix:.*\/queue\/postern\/milter"; in Postfix: unix:postern\/milter$/,
    );
  });

  it('may not be used by Postfix', async (t) => {
    if (need(t, 'postconf') === undefined) return;
    const { dir, socket } = await socketBelow(t, 'postern/policy', 0o600);
    const asked = 'check_policy_service unix:postern/policy';
    const main = [
      `queue_directory = ${dir}/queue`,
      `smtpd_recipient_restrictions = reject_unauth_destination, ${asked}`,
      `smtpd_end_of_data_restrictions = ${asked}`,
    ];
    const all = await told(t, 'policy', { main, master: CHROOT }, { path: socket }, dir);
    const bad = all.find(({ state }) => state === 'wrong');
    assert.deepEqual(
      [bad?.code, bad?.text],
      ['socket-closed', "Postfix's user postfix may not write to the socket."],
    );
    assert.match(bad?.remedy ?? '', /group = "postfix" and mode = "0660"/);
  });

  it('lies in a folder that Postfix may not enter', async (t) => {
    if (need(t, 'postconf') === undefined) return;
    const { dir, socket } = await socketBelow(t, 'postern/milter', 0o666);
    await chmod(join(socket, '..'), 0o700);
    const main = [`queue_directory = ${dir}/queue`, 'smtpd_milters = unix:postern/milter'];
    const all = await told(t, 'milter', { main }, { path: socket }, dir);
    const bad = all.find(({ state }) => state === 'wrong');
    assert.equal(bad?.code, 'socket-folder-closed');
    assert.match(bad.text, /may not go through the folder .*\/queue\/postern\.$/);
  });
});

describe('doctor: one Postfix and both doors', () => {
  const cases: [string, readonly string[], readonly string[]][] = [
    ['it asks one', [NAMED], ['well postfix-asks', 'note postfix-does-not-ask']],
    ['it asks both', [NAMED, BEHIND, AT_END], ['well postfix-asks', 'well postfix-asks', 'note asks-twice']],
    ['it asks neither', [], ['wrong postfix-does-not-ask', 'wrong postfix-does-not-ask']],
  ];
  for (const [name, main, expected] of cases)
    it(name, async (t) => {
      if (need(t, 'postconf') === undefined) return;
      const postfix = await folder(t, { main });
      const dir = join(postfix, '..');
      const listen =
        '[[listen]]\ndoor = "milter"\naddress = "127.0.0.1:8891"\n[[listen]]\ndoor = "policy"\naddress = "127.0.0.1:10023"\n';
      const file = join(dir, 'postern.toml');
      await writeFile(
        file,
        `host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "data"\n${listen}`,
      );
      let out = '';
      const streams = { out: (text: string) => void (out += text), err: () => undefined };
      await doctorCommand({ file, checks: LADDER, postfix, json: true }, streams);
      const { told: all } = JSON.parse(out) as { told: Told[] };
      assert.deepEqual(shown(all.filter(({ code }) => /asks?(?:-twice)?$/.test(code))), expected);
    });
});

it('doctor: a folder that Postfix cannot read is told in a sentence', async (t) => {
  if (need(t, 'postconf') === undefined) return;
  const read = await readPostfixFolder(join(await tempDir(t), 'none'));
  assert.ok(typeof read === 'string');
  assert.match(read, /^postconf: fatal: .*No such file/);
});

describe('doctor: the lines of the guides to Exim and Sendmail', () => {
  const all = (tellAll: (tell: ReturnType<typeof tellingOf>) => void): string[] => {
    const found: Told[] = [];
    tellAll(tellingOf('it', found));
    return shown(found);
  };

  it('are what it looks for in Exim', async () => {
    const marks = ['POSTERN_SOCKET = ', 'acl_postern:', 'acl_postern RCPT', 'acl_postern END-OF-MESSAGE'];
    const text = (await Promise.all(marks.map((mark) => guideLines('exim', mark)))).join('');
    const address = /inet:127\.0\.0\.1:(\d+)/.exec(text);
    const listener = { host: '127.0.0.1', port: Number(address?.[1]) };
    assert.deepEqual(
      all((tell) => tellPolicyInExim(listener, 'exim4.conf', text, tell)),
      ['well exim-asks'],
    );
  });

  it('are what it looks for in the sendmail.cf that m4 makes of them', async () => {
    const line = await guideLines('sendmail', 'INPUT_MAIL_FILTER');
    const [, name = '', equates = ''] = /INPUT_MAIL_FILTER\(`(\w+)', `([^']+)'\)/.exec(line) ?? [];
    const listener = { host: '127.0.0.1', port: Number(/inet:(\d+)@/.exec(equates)?.[1]) };
    const cf = readSendmail(`O InputMailFilters=${name}\nX${name}, ${equates}\n`);
    assert.deepEqual(
      all((tell) => tellMilterInSendmail(listener, 'sendmail.cf', cf, { checksTimeoutMs: 20_000 }, tell)),
      ['well sendmail-asks', 'well default-action'],
    );
  });
});
