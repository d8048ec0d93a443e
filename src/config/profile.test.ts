import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { LADDER } from '../checks/ladder.ts';
import { standingOf } from '../core/ladder.ts';
import { NO_TREATMENT } from '../core/exemption.ts';
import { load } from './load.ts';
import { KEPT_UNDER_WATCH, STRICT } from './profile.ts';

const TABLES = '[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:mail"\n';

async function good(cleanup: Cleanup, top: string, tables = '') {
  const file = join(await tempDir(cleanup), 'postern.toml');
  await writeFile(file, `host_name = "mx.example.org"\ndomains = ["example.org"]\n${top}${TABLES}${tables}`);
  const loaded = load(file, LADDER);
  if ('problems' in loaded) assert.fail(JSON.stringify(loaded.problems));
  const { config } = loaded;
  return {
    config,
    of: (name: string) => {
      const found = config.checks.find(({ check }) => check.name === name);
      assert.ok(found, name);
      return found;
    },
  };
}

describe('without a profile', () => {
  it('a check is as it was made, and says so', async (t) => {
    const { config, of } = await good(t, '');
    assert.equal(config.profile, undefined);
    assert.equal(config.refuseAtSuspicionFrom, 'default');
    for (const { check, settings, origins } of config.checks) {
      const { on_fail, on_temperror, weight, refuse_at, actions } = settings;
      assert.deepEqual(
        { on_fail, on_temperror, weight, refuse_at, actions },
        { actions: {}, ...check.defaults },
      );
      const { actions: ofCodes, ...ofSettings } = origins;
      for (const from of [...Object.values(ofSettings), ...Object.values(ofCodes)])
        assert.equal(from, 'default', check.name);
    }
    assert.deepEqual(of('sender-mx').origins.actions, { bogus: 'default' });
  });

  it('the line of each setting is known', async (t) => {
    const { config, of } = await good(
      t,
      'refuse_at = "earliest"\nrefuse_at_suspicion = 7\n',
      '[checks.fcrdns]\non_fail = "tag"\nweight = 3\n[checks.sender-mx.actions]\ncname = "observe"\n[checks.helo]\nrefuse_at = "rcpt"\non_temperror = "defer"\n',
    );
    assert.equal(config.refuseAtSuspicionFrom, 'postern.toml:4');
    assert.deepEqual(of('fcrdns').origins, {
      on_fail: 'postern.toml:10',
      on_temperror: 'default',
      weight: 'postern.toml:11',
      refuse_at: 'postern.toml:3',
      actions: {},
    });
    assert.deepEqual(of('sender-mx').origins.actions, { bogus: 'default', cname: 'postern.toml:13' });
    assert.equal(of('helo').origins.refuse_at, 'postern.toml:15');
    assert.equal(of('helo').origins.on_temperror, 'postern.toml:16');
  });
});

describe('a check that the file has off or only observed', () => {
  for (const action of ['off', 'observe'] as const) {
    for (const profile of ['', 'profile = "strict"\n']) {
      it(`acts on no finding: ${action} ${profile}`, async (t) => {
        const tables = LADDER.map(({ name }) => `[checks.${name}]\non_fail = "${action}"\n`).join('');
        const { config } = await good(t, profile, tables);
        for (const { check, settings } of config.checks) {
          for (const code of Object.keys(check.codes)) {
            const does = settings.actions[code] ?? settings.on_fail;
            assert.ok(does === 'off' || does === action, `${check.name}:${code} leads to ${does}`);
          }
        }
      });
    }
  }

  it('acts on those that the file names itself, and says where each comes from', async (t) => {
    const { of } = await good(
      t,
      '',
      '[checks.spf]\non_fail = "observe"\nactions = { softfail = "suspect" }\n[checks.sender-mx]\non_fail = "off"\n',
    );
    assert.deepEqual(of('spf').settings.actions, { softfail: 'suspect', permerror: 'observe' });
    assert.equal(of('spf').origins.actions['softfail'], 'postern.toml:9');
    assert.deepEqual(of('sender-mx').settings.actions, { bogus: 'off' });
    assert.deepEqual(of('sender-mx').origins.actions, { bogus: 'postern.toml:11' });
  });

  it('does by another word what it does by default with single findings', async (t) => {
    const { of } = await good(t, '', '[checks.sender-mx]\non_fail = "tag"\n');
    assert.deepEqual(of('sender-mx').settings.actions, { bogus: 'refuse' });
  });
});

describe('the strict profile', () => {
  it('names checks that there are', () => {
    for (const name of [...STRICT, ...KEPT_UNDER_WATCH])
      assert.ok(
        LADDER.some((c) => c.name === name),
        name,
      );
  });

  it('refuses at the earliest moment all that reverse DNS, HELO and the MX have against a client', async (t) => {
    const { of } = await good(t, 'profile = "strict"\n');
    for (const name of STRICT) {
      const { check, settings, origins } = of(name);
      assert.equal(settings.on_fail, 'refuse', name);
      assert.equal(settings.refuse_at, 'earliest', name);
      assert.equal(origins.refuse_at, 'profile strict', name);
      assert.equal(origins.on_fail, check.defaults.on_fail === 'refuse' ? 'default' : 'profile strict', name);
      for (const code of Object.keys(check.codes)) {
        assert.equal(settings.actions[code] ?? settings.on_fail, 'refuse', `${name}:${code}`);
      }
    }
  });

  it('leaves the other checks alone', async (t) => {
    const strict = await good(t, 'profile = "strict"\n');
    const normal = await good(t, '\n');
    for (const { check, settings, origins } of normal.config.checks) {
      if (STRICT.includes(check.name)) continue;
      assert.equal(JSON.stringify(strict.of(check.name).settings), JSON.stringify(settings), check.name);
      assert.deepEqual(strict.of(check.name).origins, origins);
    }
    assert.equal(strict.config.refuseAtSuspicion, 10);
  });

  it("gives way to the operator's own word, and is then no softer than without it", async (t) => {
    const { of } = await good(
      t,
      'profile = "strict"\n',
      '[checks.fcrdns]\non_fail = "suspect"\n[checks.helo-dns]\nactions = { mismatch = "observe" }\n[checks.sender-mx]\non_fail = "observe"\nrefuse_at = "rcpt"\nactions = { no-fcrdns = "refuse" }\n',
    );
    assert.equal(of('fcrdns').settings.on_fail, 'suspect');
    assert.equal(of('fcrdns').settings.refuse_at, 'earliest');
    assert.equal(of('fcrdns').origins.on_fail, 'postern.toml:9');
    assert.equal(of('helo-dns').settings.on_fail, 'refuse');
    assert.deepEqual(of('helo-dns').settings.actions, { mismatch: 'observe' });
    assert.deepEqual(of('helo-dns').origins.actions, { mismatch: 'postern.toml:11' });
    const mx = of('sender-mx');
    assert.equal(mx.settings.refuse_at, 'rcpt');
    assert.deepEqual(mx.settings.actions, { bogus: 'observe', 'no-fcrdns': 'refuse' });
    assert.deepEqual(mx.origins.actions, { bogus: 'postern.toml:13', 'no-fcrdns': 'postern.toml:15' });
  });

  it('refuses at RCPT where the file says so for all', async (t) => {
    const { of } = await good(t, 'profile = "strict"\nrefuse_at = "rcpt"\n');
    assert.equal(of('fcrdns').settings.refuse_at, 'rcpt');
    assert.equal(of('fcrdns').origins.refuse_at, 'postern.toml:4');
    assert.equal(of('fcrdns').settings.on_fail, 'refuse');
  });
});

describe('the watch profile', () => {
  const loud = LADDER.map(
    ({ name, codes }) =>
      `[checks.${name}]\non_fail = "refuse"\non_temperror = "defer"\nactions = { ${Object.keys(codes)
        .map((code) => `${code} = "refuse"`)
        .join(', ')} }\n`,
  ).join('');

  for (const [said, tables] of [
    ['says nothing', ''],
    ['wants everything refused', loud],
  ] as const) {
    it(`lets no check act where the file ${said}`, async (t) => {
      const { config } = await good(t, 'profile = "watch"\nrefuse_at_suspicion = 1\n', tables);
      for (const configured of config.checks) {
        const { check, settings, origins } = configured;
        const kept = KEPT_UNDER_WATCH.includes(check.name);
        for (const code of Object.keys(check.codes)) {
          for (const result of ['fail', 'temperror'] as const) {
            const finding = { result, code, text: 'x', enhanced: '5.7.1', weight: 1000 };
            const { verdict, tags } = standingOf(
              [{ configured, findings: [finding] }],
              config,
              NO_TREATMENT,
              undefined,
              { contact: 'c', id: 'i' },
            );
            assert.equal(
              verdict.kind,
              !kept ? 'go-on' : result === 'fail' ? 'refuse' : settings.on_temperror,
              `${check.name}:${code}`,
            );
            if (!kept) assert.deepEqual(tags, [], check.name);
          }
        }
        if (settings.on_fail !== 'off' && !kept) assert.equal(origins.on_fail, 'profile watch');
      }
    });
  }

  it('leaves relaying and delivery as the file has them', async (t) => {
    const { of } = await good(t, 'profile = "watch"\n', '[checks.recipients]\non_temperror = "go-on"\n');
    assert.equal(of('relay').settings.on_fail, 'refuse');
    assert.equal(of('relay').origins.on_fail, 'default');
    assert.equal(of('recipients').settings.on_temperror, 'go-on');
    assert.equal(of('recipients').origins.on_temperror, 'postern.toml:9');
  });

  it('switches nothing on', async (t) => {
    const { of } = await good(
      t,
      'profile = "watch"\n',
      '[checks.fcrdns]\non_fail = "off"\n[checks.sender-mx]\nactions = { cname = "off" }\n',
    );
    assert.equal(of('fcrdns').settings.on_fail, 'off');
    assert.equal(of('fcrdns').origins.on_fail, 'postern.toml:9');
    assert.equal(of('sender-mx').settings.actions['cname'], 'off');
    assert.equal(of('sender-mx').origins.actions['cname'], 'postern.toml:11');
    assert.equal(of('sender-mx').origins.actions['bogus'], 'profile watch');
  });

  it('never refuses for suspicion, whatever the sum', async (t) => {
    const { config, of } = await good(
      t,
      'profile = "watch"\nrefuse_at_suspicion = 1\n',
      '[checks.relay]\non_fail = "suspect"\nweight = 1000\n',
    );
    assert.equal(config.refuseAtSuspicionFrom, 'profile watch');
    const finding = { result: 'fail', code: 'denied', text: 'x', enhanced: '5.7.1' } as const;
    const judged = [{ configured: of('relay'), findings: [finding] }];
    const { verdict, suspicion } = standingOf(judged, config, NO_TREATMENT, undefined, {
      contact: 'c',
      id: 'i',
    });
    assert.deepEqual([verdict.kind, suspicion], ['go-on', 1000]);
  });
});
