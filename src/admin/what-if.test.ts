import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { refusedByHelo } from '../../test/contracts/journal.ts';
import type { Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { LADDER } from '../checks/ladder.ts';
import { policyOf } from '../cli/in-force.ts';
import { withoutSecrets } from '../config/secrets.ts';
import type { Decision } from '../core/decision.ts';
import type { WhatIf } from './api.ts';
import { WhatIfJobs, type WhatIfWorld } from './what-if.ts';

const TOP = 'host_name = "mx.example.org"\ndomains = ["example.org"]\n';
const REST = '[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "smtp://127.0.0.1:1"\n';
const OFF = LADDER.map(({ name }) => `[checks.${name}]\non_fail = "off"\n`).join('');

const refused = (id: string, atMs: number): Decision => refusedByHelo(id, { atMs });

async function world(cleanup: Cleanup, decisions: readonly Decision[], over: Partial<WhatIfWorld> = {}) {
  const dir = await tempDir(cleanup);
  const file = join(dir, 'postern.toml');
  await writeFile(file, `${TOP}${REST}`);
  const clock = { nowMs: 1000 };
  const troubles: unknown[] = [];
  const jobs = new WhatIfJobs({
    config: () => ({ file, text: readFileSync(file, 'utf8') }),
    checks: LADDER,
    journal: {
      newest: async () => decisions.length,
      page: async ({ after, limit }) => ({
        decisions: decisions.slice(after, after + limit),
        last: Math.min(decisions.length, after + limit),
      }),
      summary: async () => ({ received: decisions.length }) as never,
    },
    desk: {
      marks: {
        of: (ids: readonly string[]) => new Map(ids.includes('D1') ? [['D1', 'wanted' as const]] : []),
      } as never,
      reports: { of: (id: string) => (id === 'D2' ? {} : undefined) } as never,
    },
    listed: () => [],
    policyOf,
    deciderOf: () => undefined,
    nowMs: () => clock.nowMs,
    trouble: (_what, error) => troubles.push(error),
    ...over,
  });
  const finished = async (id: string): Promise<WhatIf> => {
    for (;;) {
      const found = jobs.find(id);
      assert.ok(found);
      if (found.state !== 'running') return found;
      await sleep(2);
    }
  };
  return { dir, clock, jobs, finished, troubles };
}

const keys = (n: number) => Array.from({ length: n }, (_, i) => `k${i} = 1`).join('\n');

async function untilTaken<T>(start: () => T): Promise<T> {
  for (;;) {
    try {
      return start();
    } catch {
      await sleep(2);
    }
  }
}

const some = (n: number) => Array.from({ length: n }, (_, i) => refused(`D${i}`, 1000 + i));

describe('what-if of the dashboard', () => {
  it('compares all, shows some, those that people spoke of first', async (t) => {
    const { jobs, finished } = await world(t, some(250));
    const found = await finished(jobs.start({ config: `${TOP}${REST}${OFF}`, sinceMs: 0 }));
    assert.deepEqual(found.problems, []);
    assert.equal(found.state, 'done');
    assert.deepEqual([found.looked, found.inAll], [250, 250]);
    assert.deepEqual(found.counts, { same: 0, newlyRefused: 0, newlyAccepted: 250, unknown: 0 });
    assert.equal(found.newlyAccepted.length, 100);
    assert.deepEqual(
      found.newlyAccepted.slice(0, 3).map(({ line }) => [line.id, line.mark, line.reported]),
      [
        ['D2', undefined, true],
        ['D1', 'wanted', false],
        ['D249', undefined, false],
      ],
    );
    assert.deepEqual(
      [found.newlyAccepted[0]?.before, found.newlyAccepted[0]?.after],
      ['refused by helo:not-fqdn', 'accepted'],
    );
  });

  it('says what is wrong with the text, and reads no file that is not named already', async (t) => {
    const { jobs, finished } = await world(t, some(1));
    const found = await finished(
      jobs.start({ config: `${TOP}block_files = ["/etc/passwd"]\n${REST}[checks.hello]\n`, sinceMs: 0 }),
    );
    assert.equal(found.state, 'failed');
    assert.match(found.problems.join('\n'), /checks\.hello/);
    const other = await finished(
      jobs.start({ config: `${TOP}block_files = ["/etc/passwd"]\n${REST}`, sinceMs: 0 }),
    );
    assert.match(other.problems.join('\n'), /\/etc\/passwd is not read here/);
    assert.doesNotMatch(other.problems.join('\n'), /root:/);
  });

  it('runs two at a time, and lets others have their turn', async (t) => {
    const { jobs, finished } = await world(t, some(2000));
    const config = `${TOP}${REST}`;
    const [first, second] = [jobs.start({ config, sinceMs: 0 }), jobs.start({ config, sinceMs: 0 })];
    assert.throws(() => jobs.start({ config, sinceMs: 0 }), /2 comparisons are running already/);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await finished(first);
    await finished(second);
    clearInterval(timer);
    assert.ok(turns > 5, String(turns));
    jobs.start({ config, sinceMs: 0 });
    jobs.close();
  });

  it('counts those that were ended until they have stopped, and stops them at the next turn', async (t) => {
    const { jobs, finished } = await world(t, some(1));
    const entries = Array.from({ length: 5000 }, (_, i) => `[[allow]]\nclient = "192.0.2.${i % 256}"\n`);
    const config = `${TOP}${REST}${entries.join('')}`;
    for (const id of [jobs.start({ config, sinceMs: 0 }), jobs.start({ config, sinceMs: 0 })])
      jobs.abandon(id);
    assert.throws(() => jobs.start({ config, sinceMs: 0 }), /2 comparisons are running already/);
    const small = { config: `${TOP}${REST}`, sinceMs: 0 };
    const started = await untilTaken(() => jobs.start(small));
    assert.equal((await finished(started)).state, 'done');
  });

  it('reads a text with its secrets hidden, and tells none of them', async (t) => {
    const { dir, jobs, finished } = await world(t, some(1));
    const secret = 'Zq7-do-not-tell-it';
    const tables = `[notify]\nwebhook = "https://chat.example.org/${secret}"\n[checks.fake-bounce]\nbatv_keys = ["1:${secret}"]\n`;
    const inForce = `${TOP}${REST}${tables}`;
    await writeFile(join(dir, 'postern.toml'), inForce);
    const shown = withoutSecrets(inForce);
    const asked = async (config: string) => finished(jobs.start({ config, sinceMs: 0 }));
    assert.equal((await asked(shown)).state, 'done');
    for (const hidden of ['"(hidden)"', '"1:(hidden)"', '"(hidden 1)"', '["1:(hidden)"]'])
      for (const [from, to] of [
        ['"mx.example.org"', hidden],
        ['["example.org"]', hidden],
        ['[notify]', `[notify]\nmail_from = ${hidden}\nmail_to = ${hidden}`],
        ['batv_keys = ["1:(hidden)"]', `batv_keys = ${hidden}`],
        ['batv_keys =', `batv_keys = ["x:(hidden)"]\nnames = ${hidden} #`],
        ['webhook = "(hidden)"', `webhook = ${hidden}`],
      ] as const) {
        const found = await asked(shown.replace(from, to));
        assert.doesNotMatch(JSON.stringify(found), /Zq7/);
      }
  });

  it('lets others have their turn whatever the text is, and names a hundred problems', async (t) => {
    const { jobs, finished } = await world(t, some(1));
    const length = 300_000;
    for (const config of [
      `a${'.a'.repeat(length / 2)} = 1`,
      `[a${'.a'.repeat(length / 2)}]`,
      `a = ${'['.repeat(length)}`,
      keys(length / 3),
      Array.from({ length: 200 }, (_, i) => `b${i} = ${'{a='.repeat(400)}1${'}'.repeat(400)}`).join('\n'),
    ]) {
      const begun = performance.now();
      const { state, problems } = await finished(jobs.start({ config, sinceMs: 0 }));
      assert.equal(state, 'failed');
      assert.ok(problems.length <= 101, String(problems.length));
      // It took minutes, and more memory than there is.
      assert.ok(performance.now() - begun < 5000, config.slice(0, 40));
    }
    const many = await finished(jobs.start({ config: keys(300), sinceMs: 0 }));
    assert.match(many.problems.at(-1) ?? '', /^and at least 20\d more$/);
  });

  it('ends what nobody waits for, and forgets what ended long ago', async (t) => {
    const later = Promise.withResolvers<undefined>();
    let isAsked = false;
    const { jobs, finished, clock } = await world(t, [], {
      journal: {
        newest: async () => 9,
        page: async ({ after }) => {
          isAsked = true;
          await later.promise;
          return { decisions: [refused(`P${after}`, 1)], last: after + 1 };
        },
        summary: async () => ({ received: 9 }) as never,
      },
    });
    const config = `${TOP}${REST}`;
    const gone = jobs.start({ config, sinceMs: 0 });
    jobs.abandon(gone);
    assert.equal(jobs.find(gone), undefined);
    const id = jobs.start({ config, sinceMs: 0 });
    while (!isAsked) await sleep(2);
    // To ask for it is to wait for it: it is left alone for as many turns as it can want.
    clock.nowMs += 2 * 60_000 + 1;
    later.resolve(undefined);
    for (let turns = 0; turns < 20; turns++) await turn();
    const found = await finished(id);
    assert.equal(found.state, 'failed');
    assert.match(found.problems.join(), /nobody waited for it/);
    assert.equal(found.looked, 0);
    clock.nowMs += 30 * 60_000;
    assert.ok(jobs.find(id));
    clock.nowMs += 1;
    assert.equal(jobs.find(id), undefined);
  });

  it('tells the operator of what is our own fault, and not the user', async (t) => {
    const { jobs, finished, troubles } = await world(t, some(1), {
      policyOf: () => {
        throw new Error('a secret of ours');
      },
    });
    const found = await finished(jobs.start({ config: `${TOP}${REST}`, sinceMs: 0 }));
    assert.equal(found.state, 'failed');
    assert.doesNotMatch(found.problems.join(), /secret/);
    assert.equal(troubles.length, 1);
  });
});
