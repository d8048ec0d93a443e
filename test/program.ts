/**
 * Programs that a test starts: their lines as they come, and no process left behind. The child is killed when the test
 * ends, when the test process exits, and, where `setpriv` is there, also when the test process is itself killed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** What of node:test's context is needed to clean up; a bench gives its own. */
export interface Cleanup {
  after(fn: () => void | Promise<void>): void;
}

const ends = new WeakMap<Cleanup, (() => void | Promise<void>)[]>();

/** What was set up last is taken down first: programs end before the folder they write in goes. */
export function onEnd(cleanup: Cleanup, fn: () => void | Promise<void>): void {
  const fns = ends.get(cleanup);
  if (fns !== undefined) {
    fns.push(fn);
    return;
  }
  const mine = [fn];
  ends.set(cleanup, mine);
  cleanup.after(async () => {
    for (const end of mine.reverse()) await end();
  });
}

export interface Program {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Lines of stdout and stderr in the order in which they came. */
  readonly lines: readonly string[];
  /** The first line, come or to come, that fits; rejects when the program ends or the time is over. */
  line(fits: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** SIGTERM, and SIGKILL when that does not do it; the exit code or the signal's name. */
  stop(graceMs?: number): Promise<number | string>;
  kill(): Promise<void>;
  readonly ended: Promise<number | string>;
}

const SETPRIV = '/usr/bin/setpriv';
const LINES_KEPT = 200_000;
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A session of its own: Postfix's master signals its whole process group. */
  readonly detached?: boolean;
}

export function startProgram(
  cleanup: Cleanup,
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Program {
  const bound = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', command, ...args] : [command, ...args];
  const child = spawn(bound[0]!, bound.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    detached: options.detached ?? false,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  running.add(child);
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (text) => {
      if (lines.length < LINES_KEPT) lines.push(text);
      wake();
    });
  }
  let over: number | string | undefined;
  const ended = new Promise<number | string>((resolve) => {
    const end = (how: number | string) => {
      running.delete(child);
      over = how;
      resolve(how);
      wake();
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => end(code ?? signal ?? 'ended'));
  });

  const line = (fits: RegExp, timeoutMs = 20_000) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      let seen = 0;
      const leave = () => {
        clearTimeout(timer);
        waiting.delete(look);
      };
      const fail = (why: string) => {
        leave();
        reject(
          new Error(
            `${command}: no line like ${String(fits)} (${why}); its last lines:\n${lines.slice(-15).join('\n')}`,
          ),
        );
      };
      const timer = setTimeout(() => fail(`waited ${timeoutMs} ms`), timeoutMs);
      const look = () => {
        for (; seen < lines.length; seen++) {
          const m = fits.exec(lines[seen] ?? '');
          if (m === null) continue;
          leave();
          resolve(m);
          return;
        }
        if (over !== undefined) fail(`ended with ${over}`);
      };
      waiting.add(look);
      look();
    });

  const kill = async () => {
    if (over === undefined) {
      // A killed master leaves its daemons behind, which keep our pipes open until they have nothing more to do.
      if (options.detached === true && child.pid !== undefined) killGroup(child.pid);
      else child.kill('SIGKILL');
    }
    await ended;
  };
  const stop = async (graceMs = 10_000) => {
    if (over === undefined) child.kill('SIGTERM');
    const timer = setTimeout(() => void kill(), graceMs);
    const how = await ended;
    clearTimeout(timer);
    return how;
  };
  onEnd(cleanup, kill);
  return { pid: child.pid ?? 0, child, lines, line, stop, kill, ended };
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}

/** Runs a program to its end. */
export async function runProgram(
  cleanup: Cleanup,
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<{ readonly exit: number | string; readonly output: string }> {
  const program = startProgram(cleanup, command, args, options);
  const exit = await program.ended;
  return { exit, output: program.lines.join('\n') };
}
