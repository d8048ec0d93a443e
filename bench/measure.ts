/** What the kernel says of a process, and what smtpload says of a server. */
import { readFileSync, readdirSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
// USER_HZ: 100 on every Linux that Node runs on.
const TICKS_PER_SECOND = 100;

/** User and system time of all threads. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the name in parentheses and may hold anything; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
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
