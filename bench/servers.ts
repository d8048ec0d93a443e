/** What is measured side by side: the gate, a bare `node:net` responder, Postfix's smtp-sink. */
import { mkdir } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LADDER } from '../src/checks/ladder.ts';
import { freePort } from '../test/freeport.ts';
import { startGate } from '../test/gate.ts';
import { startProgram, type Cleanup } from '../test/program.ts';

export const SERVERS = ['gate', 'bare', 'smtp-sink'] as const;
export type ServerName = (typeof SERVERS)[number];

export interface Server {
  readonly name: ServerName;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<unknown>;
}

export interface Places {
  readonly dir: string;
  readonly smtpSink: string | undefined;
}

// Whether the recipient is ours, and whether the backend takes it, is asked without any check switched on.
const KEPT_ON = ['relay', 'recipients'];

export const ROOMY = `message_size = "50MiB"
connections = 100000
connections_per_client = 100000
connections_per_minute = 100000
stress_at = 100
`;

/** What else the machine does is no part of what is measured. */
export const CALM = `[load]
defer_at_load_average = 0
refuse_at_load_average = 0
`;

export async function startServer(
  cleanup: Cleanup,
  name: ServerName,
  { dir, smtpSink }: Places,
  refuses: boolean,
): Promise<Server | undefined> {
  switch (name) {
    case 'gate': {
      // The backend: without smtp-sink, the bare responder.
      const backend = await startServer(
        cleanup,
        smtpSink === undefined ? 'bare' : 'smtp-sink',
        { dir, smtpSink },
        false,
      );
      const home = join(dir, `gate-${process.hrtime.bigint()}`);
      await mkdir(home);
      const off = LADDER.filter((check) => !KEPT_ON.includes(check.name));
      const gate = await startGate(cleanup, {
        dir: home,
        backend: `smtp://127.0.0.1:${backend?.port ?? 9}`,
        dns: undefined,
        limits: ROOMY,
        tables: CALM + off.map((check) => `[checks.${check.name}]\non_fail = "off"\n`).join(''),
      });
      return {
        name,
        port: gate.port,
        pid: gate.pid,
        stop: async () => {
          await gate.stop();
          await backend?.stop();
        },
      };
    }
    case 'bare': {
      const script = join(import.meta.dirname, 'bare.ts');
      const bare = startProgram(cleanup, process.execPath, ['--disable-warning=ExperimentalWarning', script]);
      const [, port] = await bare.line(/listening on (\d+)/);
      return { name, port: Number(port), pid: bare.pid, stop: () => bare.stop() };
    }
    case 'smtp-sink': {
      if (smtpSink === undefined) return undefined;
      const port = await freePort();
      // As root it wants to be told whom to become.
      const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
      const refusing = refuses ? ['-f', 'RCPT'] : [];
      // The shell raises the limit of open files for it; Node does so by itself.
      const sink = startProgram(cleanup, '/bin/sh', [
        ...['-c', 'ulimit -n $(ulimit -H -n); exec "$@"', 'sh', smtpSink],
        ...[...user, ...refusing, '-m', '15000', `127.0.0.1:${port}`, '4096'],
      ]);
      for (let tries = 0; !(await accepts(port)); tries++) {
        if (tries > 100) throw new Error('smtp-sink does not listen');
        await sleep(20);
      }
      return { name, port, pid: sink.pid, stop: () => sink.stop() };
    }
    default:
      return name satisfies never;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    const answer = (found: boolean) => {
      socket.destroy();
      resolve(found);
    };
    socket.on('connect', () => answer(true));
    socket.on('error', () => answer(false));
  });
}
