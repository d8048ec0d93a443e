/** What the kernel says of a process, and what smtpload says of a server. */
import { readFileSync, readdirSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
// USER_HZ: 100 on every Linux that Node runs on.
const TICKS_PER_SECOND = 100;

/** User and system time of all threads. */
export function cpuSeconds(pid: number): number {
  const [user = NaN, system = NaN] = ticks(pid);
  return (user + system) / TICKS_PER_SECOND;
}

/** Of the process, its children and theirs, those that have ended among them: Postfix's daemons come and go. */
export function familyCpuSeconds(pid: number): number {
  for (let tries = 0; ; tries++) {
    try {
      return (
        treeOf(pid)
          .flatMap(ticks)
          .reduce((sum, n) => sum + n, 0) / TICKS_PER_SECOND
      );
    } catch (error) {
      // One of them ended meanwhile, and is its parent's now.
      if (tries === 20) throw error;
    }
  }
}

/** User and system time of the process, and of its children that have ended and been waited for. */
function ticks(pid: number): readonly number[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the name in parentheses and may hold anything; utime, stime, cutime, cstime are fields 14 to 17.
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number);
}

/** The process and its children, and theirs. */
export function treeOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return [pid, ...(children === '' ? [] : children.split(' ').map(Number).flatMap(treeOf))];
}

export function rssOctets(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

export interface LoadResult {
  readonly sessions: number;
  readonly per_second: number;
  readonly p99_ms: number;
  readonly closed_by_server: number;
  readonly refused: number;
  /** By step and code: `rcpt 550`. */
  readonly replies: Readonly<Record<string, number>>;
}

export async function load(smtpload: string, port: number, args: readonly string[]): Promise<LoadResult> {
  const { stdout } = await run(smtpload, ['-j', '-p', String(port), ...args]);
  return JSON.parse(stdout) as LoadResult;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const mid = Math.floor(sorted.length / 2);
  const upper = sorted[mid] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[mid - 1] ?? NaN) + upper) / 2;
}
