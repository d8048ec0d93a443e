/**
 * Retry schedules of senders of all kinds, replayed through real sessions: DNS lists, reverse names, SPF and greylisting over a zone in
 * memory and the embedded store, with a clock that is turned.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { emptyPorts, site } from '../../test/fakes/ask.ts';
import { fakeResolver, type FakeResolver } from '../../test/fakes/resolver.ts';
import {
  D,
  H,
  LOST,
  M,
  FIRM_HOST,
  S,
  RETRY_SCHEDULES,
  type Accepted,
  type Row,
} from '../../test/vectors/retry-schedules.ts';
import { openStore } from '../adapters/store/sqlite.ts';
import type { ZoneRecords } from '../adapters/dns/zone.ts';
import { checkSchema } from '../config/checks.ts';
import type { CheckSettings, Policy } from '../core/policy.ts';
import { Session } from '../engine/session.ts';
import { dnsbl } from './dnsbl.ts';
import { fcrdns } from './fcrdns.ts';
import { genericRdns } from './generic-rdns.ts';
import { greylistNull } from './greylist-null.ts';
import { greylist } from './greylist.ts';
import { heloDns } from './helo-dns.ts';
import { spf } from './spf.ts';

const BEGIN_MS = Date.UTC(2026, 0, 5);

interface Attempt {
  readonly client: string;
  readonly helo: string;
  readonly from: string;
  readonly to?: string;
}

interface Told {
  readonly kind: 'go-on' | 'defer' | 'refuse';
  readonly check?: string;
  readonly code?: string;
  readonly reply?: string;
}

function policyOf(settings: Record<string, unknown>, zones: readonly object[]): Policy {
  const given: Record<string, unknown> = { greylist: settings, 'greylist-null': settings, dnsbl: { zones } };
  const checks = [dnsbl, fcrdns, genericRdns, heloDns, spf, greylist, greylistNull].map((check) => ({
    check,
    settings: checkSchema(check).parse(given[check.name] ?? {}) as CheckSettings,
  }));
  return { site, checks, refuseAtSuspicion: 10, checksTimeoutMs: 5000, hash: 'h' };
}

interface Gate {
  /** What the client is told at RCPT, or at DATA where it is let through to there. */
  readonly mail: (attempt: Attempt) => Promise<Told>;
  /** A callout: the client asks for the recipient and leaves. */
  readonly callout: (attempt: Attempt) => Promise<Told>;
  readonly at: (ms: number) => void;
  readonly configure: (settings: Record<string, unknown>) => void;
  readonly dns: FakeResolver;
}

function openGate(
  t: TestContext,
  zone: ZoneRecords,
  settings: Record<string, unknown>,
  zones: readonly object[] = [],
): Gate {
  let nowMs = BEGIN_MS;
  const store = openStore(':memory:', { nowMs: () => nowMs });
  t.after(() => store.close());
  const dns = fakeResolver(zone);
  let policy = policyOf(settings, zones);
  const ports = { ...emptyPorts(), dns, greylist: store.greylist, standing: store.standing };
  let id = 0;
  const begin = async ({ client, helo, from, to = 'user@example.org' }: Attempt) => {
    const session = new Session(
      {
        policy,
        ports,
        nowMs: () => nowMs,
        newId: () => `ID${++id}`,
        trouble: (what) => assert.fail(what),
      },
      {
        door: 'gateway',
        client: { address: client, port: 4711 },
        server: { address: '198.51.100.25', port: 25 },
      },
    );
    await session.connect();
    await session.helo('EHLO', helo);
    await session.mail(from === '<>' ? null : mailbox(from), {});
    const said = await session.rcpt(mailbox(to), {});
    assert.notEqual(said.kind, 'other-transaction');
    return { session, said: said as Exclude<typeof said, { kind: 'other-transaction' }>, to };
  };
  return {
    dns,
    at: (ms) => (nowMs = BEGIN_MS + ms),
    configure: (other) => (policy = policyOf(other, zones)),
    callout: async (attempt) => {
      const { session, said } = await begin(attempt);
      session.ended();
      return told(said);
    },
    mail: async (attempt) => {
      const { session, said, to } = await begin(attempt);
      if (said.kind !== 'go-on') return told(said);
      session.recipientAnswered(mailbox(to), { code: 250, enhanced: '2.1.5', lines: ['Ok'] });
      return told(await session.data());
    },
  };
}

const mailbox = (text: string) => {
  const at = text.lastIndexOf('@');
  return { local: text.slice(0, at), domain: text.slice(at + 1) };
};

function told(verdict: Awaited<ReturnType<Session['data']>>): Told {
  if (verdict.kind === 'go-on') return { kind: 'go-on' };
  const { kind, check, code, reply } = verdict;
  return { kind, check, code, reply: `${reply.code} ${reply.enhanced} ${reply.lines.join(' ')}` };
}

async function acceptedAfter(gate: Gate, row: Row, n: number, fromMs: number): Promise<Accepted> {
  for (const [i, ms] of row.schedule.entries()) {
    gate.at(fromMs + ms);
    const client = row.clients[(n + i) % row.clients.length]!;
    const { kind } = await gate.mail({
      client,
      helo: row.helo ?? 'localhost.localdomain',
      from: row.from(n),
    });
    assert.notEqual(kind, 'refuse');
    if (kind === 'go-on') return ms;
  }
  return LOST;
}

describe('retry schedules', () => {
  for (const mode of ['classic', 'suspicion'] as const) {
    describe(mode, () => {
      for (const row of RETRY_SCHEDULES) {
        const expected = row[mode];
        it(`${row.what}: ${expected === LOST ? LOST : `${expected / S} s`}`, async (t) => {
          const gate = openGate(t, row.zone, { mode, ...row.settings });
          assert.equal(await acceptedAfter(gate, row, 0, 0), expected);
          if (expected === LOST) return;
          // Another message, which the sender marks as another one; from the next of its addresses.
          assert.equal((await acceptedAfter(gate, row, 1, 3 * D)) === 0, row.nextWaits !== true);
        });
      }
    });
  }

  it('seed-only: all are let in at once, and known when it is over', async (t) => {
    for (const row of RETRY_SCHEDULES) {
      const gate = openGate(t, row.zone, { ...row.settings, mode: 'seed-only' });
      assert.equal(await acceptedAfter(gate, row, 0, 0), 0, row.what);
      gate.configure({ ...row.settings, mode: 'classic' });
      assert.equal(await acceptedAfter(gate, row, 0, 3 * D), 0, row.what);
    }
  });
});

const FIRM = { client: '192.0.2.7', helo: 'mail.firm.example', from: 'joe@firm.example' };

describe('what is known', () => {
  it('is known until 36 days after its last use', async (t) => {
    const gate = openGate(t, FIRM_HOST.zone, { mode: 'classic', client_passes: 0 });
    await gate.mail(FIRM);
    for (const [ms, kind] of [
      [5 * M, 'go-on'],
      [35 * D, 'go-on'],
      [70 * D, 'go-on'],
      [107 * D, 'defer'],
    ] as const) {
      gate.at(ms);
      assert.equal((await gate.mail(FIRM)).kind, kind, `${ms / D} d`);
    }
  });

  it('is the client for all recipients, once five of its messages came again in different hours', async (t) => {
    const gate = openGate(t, FIRM_HOST.zone, { mode: 'classic' });
    const pass = async (to: string, atMs: number) => {
      gate.at(atMs);
      const first = await gate.mail({ ...FIRM, to });
      gate.at(atMs + 5 * M);
      const second = await gate.mail({ ...FIRM, to });
      return [first.kind, second.kind];
    };
    for (let n = 0; n < 5; n++) {
      assert.deepEqual(await pass(`user${n}@example.org`, n * 2 * H), ['defer', 'go-on'], String(n));
    }
    gate.at(11 * H);
    assert.equal(
      (await gate.mail({ ...FIRM, from: 'ann@firm.example', to: 'new@example.org' })).kind,
      'go-on',
    );
    // Nobody else's: the domain is the client.
    assert.equal((await gate.mail({ ...FIRM, client: '203.0.113.9', to: 'new@example.org' })).check, 'spf');
  });

  it('is not the client that came again five times in one hour', async (t) => {
    const gate = openGate(t, FIRM_HOST.zone, { mode: 'classic' });
    const to = (n: number) => `user${n}@example.org`;
    for (let n = 0; n < 6; n++) await gate.mail({ ...FIRM, to: to(n) });
    gate.at(5 * M);
    for (let n = 0; n < 6; n++) assert.equal((await gate.mail({ ...FIRM, to: to(n) })).kind, 'go-on');
    gate.at(10 * M);
    assert.equal((await gate.mail({ ...FIRM, to: 'new@example.org' })).code, 'new');
  });
});

describe('at each attempt', () => {
  it('block lists are asked again: who is listed by then is refused for good', async (t) => {
    const gate = openGate(t, {}, {}, [{ zone: 'bl.example', weight: 8 }]);
    const bot = { client: '203.0.113.7', helo: 'localhost.localdomain', from: 'joe@bigmail.example' };
    const first = await gate.mail(bot);
    assert.deepEqual([first.kind, first.check], ['defer', 'greylist']);
    assert.match(first.reply ?? '', /^450 4\.7\.1 .* try again in 3 minutes/);
    gate.dns.replace({ '7.113.0.203.bl.example A': '127.0.0.2' });
    gate.at(5 * M);
    const second = await gate.mail(bot);
    assert.deepEqual([second.kind, second.check], ['refuse', 'dnsbl']);
    assert.match(second.reply ?? '', /^5/);
    assert.equal(gate.dns.asked.filter((name) => name === '7.113.0.203.bl.example A').length, 2);
  });

  it('who is refused leaves no trace in the greylist', async (t) => {
    const gate = openGate(t, { '7.113.0.203.bl.example A': '127.0.0.2' }, {}, [
      { zone: 'bl.example', weight: 8 },
    ]);
    const bot = { client: '203.0.113.7', helo: 'localhost.localdomain', from: 'joe@bigmail.example' };
    assert.equal((await gate.mail(bot)).kind, 'refuse');
    gate.dns.replace({});
    gate.at(5 * M);
    assert.equal((await gate.mail(bot)).code, 'new');
  });

  it('the null sender is let through at RCPT and deferred at DATA; callouts leave no trace', async (t) => {
    for (const mode of ['classic', 'suspicion']) {
      const gate = openGate(t, {}, { mode });
      const bounce = { client: '203.0.113.7', helo: 'localhost.localdomain', from: '<>' };
      assert.equal((await gate.callout(bounce)).kind, 'go-on');
      gate.at(5 * M);
      assert.equal((await gate.callout(bounce)).kind, 'go-on');
      const first = await gate.mail(bounce);
      assert.deepEqual([first.kind, first.check, first.code], ['defer', 'greylist-null', 'new']);
      assert.match(first.reply ?? '', /^450 4\.7\.1 .* try again in 3 minutes/);
      gate.at(6 * M);
      assert.equal((await gate.mail(bounce)).code, 'early');
      gate.at(10 * M);
      assert.equal((await gate.mail(bounce)).kind, 'go-on');
    }
  });

  it('bounces of a server in order are not held up by default', async (t) => {
    const gate = openGate(t, FIRM_HOST.zone, {});
    assert.equal((await gate.mail({ ...FIRM, from: '<>' })).kind, 'go-on');
  });
});
