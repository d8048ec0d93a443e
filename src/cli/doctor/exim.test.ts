import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readEximSockets, tellPolicyInExim, withIncludes } from './exim.ts';
import type { Place } from './place.ts';
import { tellingOf, type Told } from './told.ts';

const LISTENER: Place = { host: '127.0.0.1', port: 10023 };

function allTold(text: string, listener = LISTENER): Told[] {
  const all: Told[] = [];
  tellPolicyInExim(listener, 'exim4.conf', text, tellingOf('policy', all));
  return all;
}

function told(text: string, listener = LISTENER): Told | undefined {
  const all = allTold(text, listener);
  assert.equal(all.length, 1);
  return all[0];
}

const acl = (socket: string): string => `acl_smtp_rcpt = acl_check_rcpt
acl_check_rcpt:
  warn set acl_m_policy = \${readsocket{${socket}}{request=smtpd_access_policy\\n\\
                           protocol_state=RCPT\\n\\n}{20s}{\\n}{action=DUNNO}}
# protocol_state=END-OF-MESSAGE
acl_check_data:
  require acl = acl_check_rcpt END-OF-MESSAGE
`;

describe("Exim's configuration", () => {
  const good: [string, Place][] = [
    [acl('inet:127.0.0.1:10023'), LISTENER],
    [acl('inet:localhost:10023'), LISTENER],
    [acl('inet:[::1]:10023'), { host: '::1', port: 10023 }],
    [acl('/run/postern/policy'), { path: '/run/postern/policy' }],
    [`POSTERN = inet:127.0.0.1:10023\n${acl('POSTERN')}`, LISTENER],
    [acl('\\\n    inet:127.0.0.1:10023'), LISTENER],
  ];
  for (const [text, listener] of good)
    it(`asks it: ${readEximSockets(text)[0]?.text ?? ''}`, () => {
      assert.equal(told(text, listener)?.state, 'well');
    });

  const wrong: [string, string, RegExp][] = [
    ['nothing', '', /^exim4\.conf has no \$\{readsocket\} with 127\.0\.0\.1:10023\.$/],
    ['another', acl('inet:127.0.0.1:10024'), /only with "inet:127\.0\.0\.1:10024"/],
    ['a comment', `# ${acl('inet:127.0.0.1:10023').replaceAll('\n', '\n# ')}`, /no \$\{readsocket\}/],
  ];
  for (const [name, text, words] of wrong)
    it(`does not ask it: ${name}`, () => {
      const one = told(text);
      assert.equal(one?.state, 'wrong');
      assert.match(one.text, words);
      assert.match(one.remedy ?? '', /exim\.md/);
    });

  it('has an ACL that nobody calls', () => {
    const one = told(
      acl('inet:127.0.0.1:10023')
        .replaceAll('acl_check_rcpt', 'acl_postern')
        .replace(/^acl_smtp_rcpt.*\n|.*END-OF.*\n/gm, ''),
    );
    assert.equal(one?.code, 'exim-acl-unused');
    assert.match(one.text, /has an ACL "acl_postern" that asks it, but no other ACL calls that/);
    assert.match(one.remedy ?? '', /require acl = acl_postern RCPT/);
  });

  it('is not asked at the end of the message', () => {
    const all = allTold(acl('inet:127.0.0.1:10023').replace(/.*END-OF.*\n/gm, ''));
    assert.deepEqual(
      all.map(({ state, code }) => `${state} ${code}`),
      ['well exim-asks', 'note not-at-end-of-data'],
    );
  });

  it('is read with the files that it includes', () => {
    const files: Readonly<Record<string, string>> = {
      '/etc/exim4/rcpt': 'require acl = acl_postern RCPT\n.include /etc/exim4/more',
      '/etc/exim4/more': 'b',
      '/etc/exim4/loop': '.include /etc/exim4/loop',
    };
    const text =
      'RCPT_FILE = /etc/exim4/rcpt\n.ifdef RCPT_FILE\n.include RCPT_FILE\n.endif\n.include_if_exists /none\n';
    assert.equal(
      withIncludes(text, (file) => files[file]),
      'RCPT_FILE = /etc/exim4/rcpt\n.ifdef RCPT_FILE\nrequire acl = acl_postern RCPT\nb\n.endif\n.include_if_exists /none\n',
    );
    assert.equal(
      withIncludes('.include /etc/exim4/loop', (file) => files[file]),
      '.include /etc/exim4/loop',
    );
  });

  it('takes no longer for a hostile file', () => {
    const text = '${readsocket{'.repeat(50_000) + 'A'.repeat(100_000) + ' = '.repeat(50_000);
    assert.deepEqual(readEximSockets(text), []);
  });
});
