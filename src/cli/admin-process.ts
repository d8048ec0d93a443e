/**
 * The dashboard's own process, from the gate's side: started, told what is in force and how the gate is, started again when it dies or
 * answers no more. Nothing that happens in it holds up mail: what it does not read is not sent, it runs at a lower priority, and a stop
 * waits for it but shortly.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Log } from '../adapters/log.ts';
import { wantsAdmin } from '../config/admin.ts';
import type { Config } from '../config/config.ts';
import { STATUS_EVERY_MS, type GateStatus } from '../core/status.ts';
import { REPORT_PAGE, type FromAdmin, type ToAdmin } from './admin-messages.ts';

const SILENT_MS = 30_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** Who has lived so long does not die at every start. */
const HEALTHY_MS = 60_000;
const STOP_MS = 3_000;
/** What it prints besides: crashes, warnings of Node. */
const MAX_LINES_A_LIFE = 50;
const MAX_LINE = 500;

// From the source and from the build alike.
const MAIN = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? 'main.ts' : 'main.js');

export interface AdminProcessOptions {
  readonly log: Pick<Log, 'listening' | 'closed' | 'warned' | 'trouble'>;
  readonly status: () => GateStatus;
  readonly statusEveryMs?: number;
  /** Who answers nothing for so long is ended, and started again. */
  readonly silentMs?: number;
}

export type AdminFollowed = Pick<Config, 'file' | 'text' | 'admin'>;

export class AdminProcess {
  readonly #options: AdminProcessOptions;
  #followed: AdminFollowed | undefined;
  #child: ChildProcess | undefined;
  #startedMs = 0;
  #deaths = 0;
  #rest: NodeJS.Timeout | undefined;
  #telling: NodeJS.Timeout | undefined;
  #isTelling = false;
  /** It has been told how the gate is, and has said nothing since; for so many turns of the timer. */
  #isAsked = false;
  #silentTurns = 0;
  #isReportPageUp = false;

  constructor(options: AdminProcessOptions) {
    this.#options = options;
  }

  /** Of the process that runs, for tests. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Whether whoever is refused can look at it: by what the process itself has said. */
  get isReportPageUp(): boolean {
    return this.#isReportPageUp;
  }

  /** To be called at the start and after each reload. */
  follow(config: AdminFollowed): void {
    if (!wantsAdmin(config.admin)) {
      void this.stop();
      return;
    }
    this.#followed = config;
    if (this.#child !== undefined) this.#tell({ kind: 'config', text: config.text });
    else {
      // Perhaps that is what it died of.
      this.#deaths = 0;
      this.#start();
    }
  }

  /** Resolves when it is gone: at once where it is not there, after some seconds at the latest. */
  async stop(): Promise<void> {
    this.#followed = undefined;
    this.#isReportPageUp = false;
    clearTimeout(this.#rest);
    clearInterval(this.#telling);
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await gone;
    clearTimeout(timer);
  }

  #start(): void {
    const followed = this.#followed;
    if (followed === undefined) return;
    clearTimeout(this.#rest);
    let child: ChildProcess;
    try {
      child = fork(MAIN, ['admin', 'serve', '-c', followed.file], {
        // A debugger's port, or a test's options, are for the gate alone.
        execArgv: ['--disable-warning=ExperimentalWarning'],
        env: environment(process.env),
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
    } catch (error) {
      this.#died(undefined, error instanceof Error ? error.message : String(error));
      return;
    }
    this.#child = child;
    this.#startedMs = performance.now();
    if (child.pid !== undefined) lower(child.pid);
    let lines = 0;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        if (line.trim() !== '' && ++lines <= MAX_LINES_A_LIFE)
          this.#options.log.trouble('the dashboard says', line.slice(0, MAX_LINE));
      });
    }
    child.on('message', (message) => this.#hear(child, message as FromAdmin));
    // `error`: it could not be started, or a message not be sent; the end of a child comes as `exit`.
    child.on('error', (error) => {
      if (child.pid === undefined) this.#died(child, error.message);
    });
    child.on('exit', (code, signal) => this.#died(child, `ended with ${signal ?? `exit code ${code ?? 0}`}`));
    this.#isTelling = false;
    this.#isAsked = false;
    this.#silentTurns = 0;
    this.#tell({ kind: 'config', text: followed.text });
    clearInterval(this.#telling);
    this.#telling = setInterval(() => {
      this.#watch(child);
      this.#tellStatus();
    }, this.#statusEveryMs).unref();
    this.#tellStatus();
  }

  get #statusEveryMs(): number {
    return this.#options.statusEveryMs ?? STATUS_EVERY_MS;
  }

  /** Its own work is done in slices of milliseconds. By turns, not by the clock: we may have been stopped ourselves. */
  #watch(child: ChildProcess): void {
    if (!this.#isAsked) return;
    this.#silentTurns += 1;
    const silentMs = this.#silentTurns * this.#statusEveryMs;
    if (silentMs < (this.#options.silentMs ?? SILENT_MS)) return;
    clearInterval(this.#telling);
    this.#options.log.trouble(
      'the dashboard does not answer',
      `its process has said nothing for ${silentMs / 1000} s, and is ended`,
    );
    child.kill('SIGKILL');
  }

  #died(child: ChildProcess | undefined, how: string): void {
    // One that was stopped, or has had its successor.
    if (child !== this.#child || this.#followed === undefined) return;
    this.#child = undefined;
    this.#isReportPageUp = false;
    clearInterval(this.#telling);
    if (performance.now() - this.#startedMs >= HEALTHY_MS) this.#deaths = 0;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#deaths, 10));
    this.#deaths += 1;
    this.#options.log.trouble(
      'the dashboard is down; mail goes on',
      `its process ${how}; it is started again in ${pauseMs / 1000} s`,
    );
    this.#rest = setTimeout(() => this.#start(), pauseMs).unref();
  }

  #hear(child: ChildProcess, message: FromAdmin): void {
    const { log } = this.#options;
    // The last words of one that is stopped, or has had its successor, are for the log alone.
    const isIts = child === this.#child;
    if (isIts) {
      this.#isAsked = false;
      this.#silentTurns = 0;
    }
    switch (message.kind) {
      case 'alive':
        break;
      case 'listening':
        if (isIts && message.door === REPORT_PAGE) this.#isReportPageUp = true;
        log.listening(message.door, message.host, message.port);
        break;
      case 'closed':
        if (isIts && message.door === REPORT_PAGE) this.#isReportPageUp = false;
        log.closed(message.door, message.host, message.port);
        break;
      case 'warned':
        log.warned(message.warnings);
        break;
      case 'trouble': {
        const error = new Error(message.reason);
        // Ours would tell of this line.
        if (message.stack === undefined) delete error.stack;
        else error.stack = message.stack;
        log.trouble(message.what, error);
        break;
      }
      default:
        message satisfies never;
    }
  }

  #tellStatus(): void {
    // What it has not read yet is enough to read.
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      this.#tell({ kind: 'status', status: this.#options.status() }, () => (this.#isTelling = false));
      this.#isAsked = true;
    } catch (error) {
      this.#isTelling = false;
      this.#options.log.trouble('saying how the gate is', error);
    }
  }

  #tell(message: ToAdmin, sent: () => void = () => undefined): void {
    const child = this.#child;
    if (child?.connected !== true) {
      sent();
      return;
    }
    // One that is just dying cannot be told anything; its end is noticed by itself.
    child.send(message, () => sent());
  }
}

/** What it needs, and no more: NODE_OPTIONS, NOTIFY_SOCKET and what else the gate was given are not for a process that strangers talk to. */
function environment(all: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(all).filter(([name]) => PASSED_ON.test(name)));
}
const PASSED_ON =
  /^(?:PATH|HOME|TZ|LANG|LANGUAGE|LC_[A-Z]+|TMPDIR|NODE_ENV|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR)$/;

/** Where both want the processor, mail goes first. */
function lower(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It is gone already, or we may not.
  }
}
