/**
 * What the journal takes of a session: two gates of the whole ladder, one of which drops what it should record, under the same load in turns.
 * What the part comes to is the difference of two large numbers, so that it wants many rounds.
 */
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startGate } from '../test/gate.ts';
import { findProgram } from '../test/peers/peer.ts';
import type { Cleanup } from '../test/program.ts';
import { startDnsServers } from './dns-servers.ts';
import { ladderGate, WORKLOADS } from './ladder.ts';
import { cpuSeconds, load, median } from './measure.ts';
import { startServer, type Places } from './servers.ts';

const ROUNDS = 15;
const SESSIONS = 3000;
const WITHOUT = ['--import', join(import.meta.dirname, 'without-journal.ts')];

export interface JournalShare {
  readonly workload: string;
  /** CPU seconds of the gate for 1,000 sessions, medians. */
  readonly withIt: number;
  readonly without: number;
  /** Of the session with it; by the median of the rounds' differences. */
  readonly share: number;
}

/** Empty where a program that it wants is not installed. */
export async function journalShare(
  cleanup: Cleanup,
  dir: string,
  progress: (text: string) => void,
): Promise<readonly JournalShare[]> {
  const compiler = findProgram('cc') ?? findProgram('gcc');
  const places: Places = { dir, smtpSink: findProgram('smtp-sink') };
  const dns = await startDnsServers(cleanup, dir);
  if (compiler === undefined || dns === undefined || places.smtpSink === undefined) return [];
  const smtpload = join(dir, 'smtpload');
  execFileSync(compiler, ['-O2', '-o', smtpload, join(import.meta.dirname, 'smtpload.c')]);
  const shares: JournalShare[] = [];
  for (const [i, workload] of WORKLOADS.entries()) {
    const sink = await startServer(cleanup, 'smtp-sink', places, false);
    const start = async (name: string, nodeArguments: readonly string[]) => {
      const home = join(dir, `${name}-${i}`);
      await mkdir(home);
      return startGate(cleanup, { ...ladderGate(workload, home, sink?.port, dns), nodeArguments });
    };
    const gates = [await start('with', []), await start('without', WITHOUT)] as const;
    const measured = async (gate: (typeof gates)[number], round: number): Promise<number> => {
      const before = cpuSeconds(gate.pid);
      const result = await load(smtpload, gate.port, [
        ...['-n', String(SESSIONS), '-c', '100', '-x', String(round * SESSIONS)],
        ...workload.args,
      ]);
      if (result.replies[workload.expected] !== SESSIONS)
        throw new Error(`${workload.name}: ${JSON.stringify(result)}`);
      return ((cpuSeconds(gate.pid) - before) / SESSIONS) * 1000;
    };
    const rounds: (readonly [number, number])[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      progress(`journal’s part of ${workload.name}, round ${round} of ${ROUNDS}`);
      // Each goes first every other time.
      let [withIt, without] = [0, 0];
      if (round % 2 === 0) withIt = await measured(gates[0], round);
      without = await measured(gates[1], round);
      if (round % 2 === 1) withIt = await measured(gates[0], round);
      // The first round warms up.
      if (round > 0) rounds.push([withIt, without]);
    }
    const withIt = median(rounds.map(([w]) => w));
    shares.push({
      workload: workload.name,
      withIt,
      without: median(rounds.map(([, w]) => w)),
      share: median(rounds.map(([w, without]) => w - without)) / withIt,
    });
    for (const gate of gates) await gate.stop();
    await sink?.stop();
  }
  return shares;
}
