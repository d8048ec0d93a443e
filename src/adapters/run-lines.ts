/**
 * Runs a program and hands over its lines, one at a time: a queue of a million messages is never held. No shell. What it prints is a
 * stranger's in part (senders, recipients), so a line is cut, and there is an end to time and output.
 */
import { spawn } from 'node:child_process';
import { harmless } from './harmless.ts';

export interface Run {
  readonly command: readonly string[];
  /** Beginning of a line, as latin1 text. `enough`: the rest is not wanted. */
  readonly onLine: (line: string) => 'enough' | undefined;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
  /** Given to it on its standard input. */
  readonly input?: Buffer;
  readonly maxOctets?: number;
}

// All that is looked at stands at the beginning; what follows may be a thousand recipients.
export const MAX_LINE_OCTETS = 512;
const MAX_STDERR_OCTETS = 500;
/** A million messages of a thousand octets each are a queue nobody has. */
const MAX_OCTETS = 2 ** 31;
export const TIMEOUT_MS = 60_000;

/** Rejects with the reason in words where the program is not there, fails, does not come to its end, or prints without end. */
export function runLines(run: Run): Promise<void> {
  const { command, signal, timeoutMs = TIMEOUT_MS, maxOctets = MAX_OCTETS } = run;
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new Error(`${program} was not asked: we stop`));
      return;
    }
    // Its own group, so that what it starts goes with it. Dates are to be English.
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, LC_ALL: 'C' },
    });
    let octets = 0;
    let stderr = '';
    let over = false;
    const lines = new LineBeginnings(run.onLine);

    const settle = (problem?: string): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', stopped);
      if (child.exitCode === null && child.signalCode === null) end();
      child.stdout.destroy();
      child.stderr.destroy();
      if (problem === undefined) resolve();
      else reject(new Error(harmless(problem)));
    };
    const end = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It is gone, or runs as somebody else: without its pipes it ends by itself.
      }
    };
    const stopped = (): void => settle(`${program} was stopped, for we stop`);
    const timer = setTimeout(() => settle(`${program} did not end within ${timeoutMs / 1000} s`), timeoutMs);
    signal.addEventListener('abort', stopped);

    child.on('error', (error) => settle(startProblem(program, error)));
    child.stdin.on('error', () => undefined); // It need not read what it is given; its exit status tells.
    child.stdin.end(run.input ?? '');
    child.stdout.on('data', (chunk: Buffer) => {
      if (over) return;
      octets += chunk.length;
      if (octets > maxOctets) settle(`${program} prints without end`);
      else if (lines.take(chunk) === 'enough') settle();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (stderr.length < MAX_STDERR_OCTETS) stderr += chunk.toString('latin1');
    });
    child.on('close', (code, killedBy) => {
      if (over) return;
      if (code === 0) {
        lines.end();
        settle();
        return;
      }
      const said = stderr.slice(0, MAX_STDERR_OCTETS).trim().replace(/\s+/g, ' ');
      const how = code === null ? `was ended by ${killedBy ?? 'a signal'}` : `ended with ${code}`;
      settle(`${program} ${how}${said === '' ? '' : `: ${said}`}`);
    });
  });
}

function startProblem(program: string, error: Error): string {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return `${program} is not there`;
  if (code === 'EACCES') return `${program} may not be run by this user`;
  return `${program} cannot be started: ${error.message}`;
}

/** Cuts a stream into lines of which only the beginning is kept. */
class LineBeginnings {
  readonly #onLine: Run['onLine'];
  #line = '';

  constructor(onLine: Run['onLine']) {
    this.#onLine = onLine;
  }

  take(chunk: Buffer): 'enough' | undefined {
    for (let from = 0; from < chunk.length;) {
      const lf = chunk.indexOf(0x0a, from);
      const to = lf < 0 ? chunk.length : lf;
      const room = MAX_LINE_OCTETS - this.#line.length;
      if (room > 0) this.#line += chunk.toString('latin1', from, Math.min(to, from + room));
      if (lf < 0) return undefined;
      const line = this.#line;
      this.#line = '';
      if (this.#onLine(line) === 'enough') return 'enough';
      from = lf + 1;
    }
    return undefined;
  }

  end(): void {
    if (this.#line !== '') this.#onLine(this.#line);
    this.#line = '';
  }
}
