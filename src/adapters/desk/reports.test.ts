import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { onEnd, type Cleanup } from '../../../test/program.ts';
import { tempDir } from '../../../test/tempdir.ts';
import type { NewReport, Report } from '../../core/desk.ts';
import { openDatabase } from '../sqlite.ts';
import { Reports, REPORTS, type ReportLimits } from './reports.ts';

const HOUR = 3_600_000;

function opened(cleanup: Cleanup, limits: Partial<ReportLimits> = {}, file = ':memory:') {
  const clock = { ms: 1_000_000_000_000 };
  const db = openDatabase(file, [REPORTS]);
  onEnd(cleanup, () => db.close());
  const reports = new Reports(db, () => clock.ms, { keptMs: 400 * 24 * HOUR, ...limits });
  return { reports, later: (ms: number) => void (clock.ms += ms) };
}

const report = (decision: string, over: Partial<NewReport> = {}): NewReport => ({
  decision,
  check: 'fcrdns',
  network: '192.0.2.7',
  refused: `that of ${decision}`,
  contact: 'ann@example.net',
  text: 'We have mended our DNS',
  ...over,
});

function filed(got: Report | 'already' | 'too-many'): Report {
  assert.ok(typeof got === 'object');
  return got;
}

describe('reports of mistakes', () => {
  it('are filed, found, answered and answered again', (t) => {
    const { reports, later } = opened(t);
    const { id, ...rest } = filed(reports.file(report('A1')));
    assert.equal(rest.state, 'open');
    assert.equal(rest.answer, undefined);
    assert.deepEqual(reports.find(id), { id, ...rest });
    assert.deepEqual(reports.of('A1'), { id, ...rest });
    assert.equal(reports.open(), 1);
    later(5);
    const declined = reports.answer(id, { state: 'declined', text: 'No', by: 'eve' });
    assert.deepEqual(declined?.answer, { text: 'No', by: 'eve', atMs: rest.atMs + 5 });
    assert.equal(reports.open(), 0);
    assert.equal(reports.answer(id, { state: 'let-in', text: 'Yes', by: 'eve' })?.state, 'let-in');
    assert.equal(reports.of('A1')?.answer?.text, 'Yes');
  });

  it('that are not there are not found, nor answered', (t) => {
    const { reports } = opened(t);
    for (const id of [1, 0, -1, 1.5, NaN, Infinity, 2 ** 60]) {
      assert.equal(reports.find(id), undefined);
      assert.equal(reports.answer(id, { state: 'declined', text: '', by: '' }), undefined);
    }
    assert.equal(reports.of('A1'), undefined);
    assert.deepEqual(reports.list({}), []);
  });

  it('are taken once while open, and again after an answer; the newest counts', (t) => {
    const { reports } = opened(t);
    const first = filed(reports.file(report('A1')));
    assert.equal(reports.file(report('A1', { network: '192.0.2.8' })), 'already');
    reports.answer(first.id, { state: 'declined', text: 'No', by: 'eve' });
    const second = filed(reports.file(report('A1')));
    assert.equal(reports.of('A1')?.id, second.id);
  });

  it('are limited by network and in all, for an hour', (t) => {
    const { reports, later } = opened(t, { reportsPerHour: 2, reportsPerHourInAll: 3 });
    filed(reports.file(report('A1')));
    filed(reports.file(report('A2')));
    assert.equal(reports.file(report('A3')), 'too-many');
    filed(reports.file(report('A3', { network: '198.51.100.1' })));
    assert.equal(reports.file(report('A4', { network: '203.0.113.1' })), 'too-many');
    later(HOUR - 1);
    assert.equal(reports.file(report('A4')), 'too-many');
    later(1);
    filed(reports.file(report('A4')));
  });

  it('are limited by the network that was refused, from wherever they come', (t) => {
    const { reports, later } = opened(t, { reportsPerHour: 2, reportsPerHourInAll: 100 });
    const of = (n: number) => reports.file(report(`A${n}`, { network: `192.0.${n}.0/24`, refused: 'one' }));
    filed(of(1));
    filed(of(2));
    assert.equal(of(3), 'too-many');
    filed(reports.file(report('B1')));
    later(HOUR);
    filed(of(3));
  });

  it('of the network that most are about make room where none is answered', (t) => {
    const { reports, later } = opened(t, { max: 4 });
    for (const [id, refused] of ['one', 'many', 'many', 'other'].entries())
      filed(reports.file(report(`A${id}`, { refused, network: `n${id}` })));
    later(HOUR);
    const open = () => reports.list({ state: 'open' }).map(({ decision }) => decision);
    filed(reports.file(report('B1')));
    assert.deepEqual(open(), ['B1', 'A3', 'A2', 'A0']);
    assert.equal(reports.file(report('B2')), 'too-many');
  });

  it('are bounded: the answered make room, the open ones of different networks do not', (t) => {
    const { reports } = opened(t, { max: 2 });
    const first = filed(reports.file(report('A1')));
    filed(reports.file(report('A2')));
    assert.equal(reports.file(report('A3')), 'too-many');
    reports.answer(first.id, { state: 'declined', text: 'No', by: 'eve' });
    assert.equal(filed(reports.file(report('A3'))).id, 3);
    assert.equal(reports.of('A1'), undefined);
    assert.equal(reports.open(), 2);
  });

  it('have bounded texts, kept as they are', (t) => {
    const { reports } = opened(t);
    const text = `'"; DROP TABLE reports; --\n<script>\u202e${'x'.repeat(3000)}`;
    const { id } = filed(reports.file(report('A1', { text, contact: 'c'.repeat(255), check: undefined })));
    const found = reports.find(id);
    assert.equal(found?.text, text.slice(0, 2000));
    assert.equal(found.contact.length, 254);
    assert.equal(reports.answer(id, { state: 'declined', text, by: 'eve' })?.answer?.text.length, 2000);
  });

  it('are listed newest first, by state, a page after the other', (t) => {
    const { reports } = opened(t);
    for (const n of [1, 2, 3, 4]) filed(reports.file(report(`A${n}`)));
    reports.answer(2, { state: 'declined', text: 'No', by: 'eve' });
    const ids = (query: Parameters<Reports['list']>[0]) => reports.list(query).map((r) => r.id);
    assert.deepEqual(ids({}), [4, 3, 2, 1]);
    assert.deepEqual(ids({ limit: 2 }), [4, 3]);
    assert.deepEqual(ids({ limit: 2, beforeId: 3 }), [2, 1]);
    assert.deepEqual(ids({ state: 'open' }), [4, 3, 1]);
    assert.deepEqual(ids({ state: 'declined' }), [2]);
    assert.deepEqual(ids({ state: 'open', beforeId: 3 }), [1]);
  });

  it('are counted by check; the declined were no mistakes', (t) => {
    const { reports, later } = opened(t, { reportsPerHour: 10 });
    filed(reports.file(report('A0')));
    later(10);
    filed(reports.file(report('A1')));
    filed(reports.file(report('A2', { check: 'spf' })));
    filed(reports.file(report('A3', { check: 'spf' })));
    const { id, atMs } = filed(reports.file(report('A4', { check: undefined })));
    reports.answer(4, { state: 'declined', text: 'No', by: 'eve' });
    assert.equal(id, 5);
    assert.deepEqual(reports.byCheck(atMs), { fcrdns: 1, spf: 1 });
    assert.deepEqual(reports.byCheck(0), { fcrdns: 2, spf: 1 });
  });

  it('go when they are too old', (t) => {
    const { reports, later } = opened(t, { keptMs: 1000 });
    filed(reports.file(report('A1')));
    later(1000);
    reports.expire();
    assert.equal(reports.open(), 1);
    later(1);
    reports.expire();
    assert.equal(reports.open(), 0);
  });

  it('of two programs are seen by both, and one waits for the other', async (t) => {
    const file = join(await tempDir(t), 'desk.sqlite');
    const one = opened(t, {}, file).reports;
    const other = opened(t, {}, file).reports;
    const { id } = filed(one.file(report('A1')));
    assert.equal(other.file(report('A1')), 'already');
    other.answer(id, { state: 'let-in', text: 'Yes', by: 'eve' });
    assert.equal(one.of('A1')?.state, 'let-in');
  });
});
