import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { LADDER } from '../checks/ladder.ts';
import { load } from '../config/load.ts';
import { warningsOf } from './warnings.ts';

interface Given {
  readonly top?: string;
  readonly listen?: string;
  readonly proxy?: string;
  readonly backend?: string;
  readonly tables?: string;
  /** Lines of the recipient file. */
  readonly known?: readonly string[];
}

/** What is said of a file, but for what every gate of these tests is: without TLS. */
async function warned(cleanup: Cleanup, given: Given): Promise<string[]> {
  const dir = await tempDir(cleanup);
  await mkdir(join(dir, 'mail'));
  const file = join(dir, 'postern.toml');
  if (given.known !== undefined) await writeFile(join(dir, 'known'), `${given.known.join('\n')}\n`);
  const known = given.known === undefined ? '' : 'recipient_files = ["known"]\n';
  await writeFile(
    file,
    `host_name = "mx.example.org"\ndomains = ["example.org", ".below.example"]\ndata_dir = "data"\n${known}${given.top ?? ''}\n` +
      `[[listen]]\naddress = "${given.listen ?? '127.0.0.1:25'}"\n${given.proxy ?? ''}\n` +
      `[backend]\nurl = "${given.backend ?? 'smtp://127.0.0.1:2526'}"\n${given.tables ?? ''}\n`,
  );
  const loaded = load(file, LADDER);
  assert.ok('config' in loaded, JSON.stringify(loaded));
  return warningsOf(loaded.config)
    .filter((warning) => !warning.includes('no certificate'))
    .map((warning) => warning.replace(`${dir}/`, ''));
}

const own = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

const cases: [what: string, Given, RegExp | undefined][] = [
  ['a file as it should be', { top: 'networks = ["10.0.0.0/8", "2001:db8::/32"]' }, undefined],
  [
    'networks that hold everything',
    { top: 'networks = ["0.0.0.0/0"]' },
    /^postern\.toml:4: networks: .*open relay/,
  ],
  [
    'networks that hold everything in IPv6',
    { top: 'networks = ["10.0.0.0/8", "::/0"]' },
    /^postern\.toml:4: networks: /,
  ],
  [
    'networks that hold everything in halves',
    { top: 'networks = ["0.0.0.0/1", "128.0.0.0/1"]' },
    /networks: /,
  ],
  ['relays that hold everything', { top: 'relays = ["0.0.0.0/0"]' }, /^postern\.toml:4: relays: /],
  [
    'a relay check that is off',
    { tables: '[checks.relay]\non_fail = "off"' },
    /^postern\.toml:11: checks\.relay\.on_fail: "off" makes an open relay/,
  ],
  [
    'a relay check that only looks',
    { tables: '[checks.relay]\non_fail = "observe"' },
    /"observe" makes an open relay/,
  ],
  [
    'a relay check with its finding off',
    { tables: '[checks.relay.actions]\ndenied = "tag"' },
    /^postern\.toml:11: checks\.relay\.actions\.denied: "tag"/,
  ],
  ['a relay check that defers', { tables: '[checks.relay]\non_fail = "defer"' }, undefined],
  [
    'PROXY headers from everybody',
    { proxy: 'proxy_protocol_from = ["0.0.0.0/0"]' },
    /^postern\.toml:7: listen\[1\]\.proxy_protocol_from: /,
  ],
  ['PROXY headers from one', { proxy: 'proxy_protocol_from = ["127.0.0.1"]' }, undefined],
  [
    'a backend that is the gate',
    { backend: 'smtp://127.0.0.1:25' },
    /^postern\.toml:9: backend\.url: is this gate's own listen\[1\]/,
  ],
  ['a backend of that name', { backend: 'lmtp://localhost:25' }, /own listen\[1\]/],
  ['a backend on every address', { listen: '0.0.0.0:25', backend: 'smtp://127.0.0.2:25' }, /own listen\[1\]/],
  [
    'a backend on our own name',
    { listen: '0.0.0.0:25', backend: 'smtp://mx.example.org' },
    /own listen\[1\]/,
  ],
  ['a backend on IPv6 of an IPv4 gate', { listen: '0.0.0.0:25', backend: 'smtp://[::1]:25' }, undefined],
  ['a backend on IPv6 of its gate', { listen: '[::]:25', backend: 'smtp://[::1]:25' }, /own listen\[1\]/],
  ['a backend on IPv4 of an IPv6 gate', { listen: '[::]:25', backend: 'smtp://127.0.0.1:25' }, undefined],
  ['a backend on another address', { backend: 'smtp://127.0.0.2:25' }, undefined],
  ['a backend elsewhere', { listen: '0.0.0.0:25', backend: 'smtp://192.0.2.7:25' }, undefined],
  [
    'a route that leads back',
    { tables: '[[route]]\ndomains = ["example.org"]\nurl = "smtp://127.0.0.1:25"' },
    /^postern\.toml:12: route\[1\]\.url: /,
  ],
  [
    'a trap that is a recipient',
    {
      known: ['bea@example.org', 'Old@example.org'],
      tables: '[checks.spam-trap]\naddresses = ["x@example.org",\n"old@example.org"]',
    },
    /^postern\.toml:13: checks\.spam-trap\.addresses\[2\]: Old@example\.org \(known:2\): in recipient_files/,
  ],
  [
    'a trap domain with a recipient',
    {
      known: ['joe@t.below.example'],
      tables: '[checks.spam-trap]\naddresses = ["@t.below.example"]',
    },
    /joe@t\.below\.example \(known:1\): in recipient_files and yet a trap/,
  ],
  [
    'a trap in a domain that is listed whole',
    { known: ['example.org'], tables: '[checks.spam-trap]\naddresses = ["x@example.org"]' },
    undefined,
  ],
  [
    'recipients elsewhere',
    { known: ['a@example.org', 'a@b.below.example', '.below.example', 'a@below.example', 'example.net'] },
    /^postern\.toml:4: recipient_files: a@below\.example \(known:4\) and 1 more: not in domains/,
  ],
  [
    'traps elsewhere',
    { tables: '[checks.spam-trap]\naddresses = ["@example.org", "@example.net"]' },
    /^postern\.toml:11: checks\.spam-trap\.addresses\[2\]: @example\.net: .*not in domains/,
  ],
  [
    'one Maildir for all',
    { backend: 'maildir:mail/one' },
    /^postern\.toml:9: backend\.url: has no \{user\}, .*maildir:mail\/one\/\{user\}\/Maildir/,
  ],
  ['one Maildir a domain', { backend: 'maildir:mail/{domain}' }, /of a domain lies in one Maildir/],
  ['one Maildir a user', { backend: 'maildir:mail/{user}' }, undefined],
  [
    'one Maildir for the one there is',
    {
      backend: 'maildir:mail/one',
      known: ['bea@example.org'],
      tables: '[checks.recipient-list]\nknown_only = true',
    },
    undefined,
  ],
  [
    'one Maildir for two',
    {
      backend: 'maildir:mail/one',
      known: ['bea@example.org', 'ann@example.org'],
      tables: '[checks.recipient-list]\nknown_only = true',
    },
    /has no \{user\}/,
  ],
  [
    'marks that cross',
    { tables: '[load]\ndefer_at_memory = 95' },
    /^postern\.toml:11: load\.defer_at_memory: .*above refuse_at_memory/,
  ],
  [
    'marks that cross by the other one',
    { tables: '[load]\nrefuse_at_event_loop_delay = "100ms"' },
    /^postern\.toml:11: load\.refuse_at_event_loop_delay: defer_at_event_loop_delay is above/,
  ],
  [
    'marks of which one is off',
    { tables: '[load]\nrefuse_at_load_average = 0\ndefer_at_sessions = 0' },
    undefined,
  ],
  [
    'more for one than for all',
    { tables: '[limits]\nconnections = 40' },
    /^postern\.toml:11: limits\.connections: connections_per_client \(50\) is more than connections \(40\)/,
  ],
  [
    'as many for one as for all',
    { tables: '[limits]\nconnections = 40\nconnections_per_client = 40' },
    undefined,
  ],
];

describe('what check-config warns of although it is valid', () => {
  for (const [what, given, expected] of cases) {
    it(what, async (t) => {
      const said = await warned(t, given);
      if (expected === undefined) assert.deepEqual(said, []);
      else {
        assert.equal(said.length, 1, said.join('\n'));
        assert.match(said[0] ?? '', expected);
      }
    });
  }

  it('a backend on an address of this machine', { skip: own === undefined && 'it has none' }, async (t) => {
    const [said] = await warned(t, { listen: '0.0.0.0:25', backend: `smtp://${own}:25` });
    assert.match(said ?? '', /own listen\[1\]/);
  });
});
