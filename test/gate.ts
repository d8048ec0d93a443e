/** The gate as its own process, started from a configuration in a temporary folder. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startProgram, type Cleanup, type Program } from './program.ts';

export interface GateSettings {
  /** Holds `postern.toml`, the data folder and what the test puts there. */
  readonly dir: string;
  /** By default a gateway. */
  readonly door?: 'gateway' | 'milter' | 'policy';
  /** `smtp://…`, `lmtp://…`, `maildir:…`; only a gateway needs one. */
  readonly backend?: string;
  readonly domains?: readonly string[];
  readonly networks?: readonly string[];
  /** `address:port` or `unix:PATH`; given to come back at the same place after a restart. */
  readonly listen?: string;
  /** `address:port` of its resolver. */
  readonly dns: string | undefined;
  readonly greetPause?: string;
  /** TOML of the top level: before the first table. */
  readonly top?: string;
  /** TOML of the listener's own table. */
  readonly listener?: string;
  /** TOML of the backend's own table. */
  readonly backendSettings?: string;
  /** TOML of the table `limits`; without it, limits that a test from one address does not meet. */
  readonly limits?: string;
  /** TOML after all else: tables of its own. */
  readonly tables?: string;
  /** Of Node itself. */
  readonly nodeArguments?: readonly string[];
}

export interface Gate {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly process: Program;
  readonly configFile: string;
  /** The lines of the log that are JSON objects, in their order. */
  log(): readonly Readonly<Record<string, unknown>>[];
  stop(): Promise<number | string>;
  kill(): Promise<void>;
}

const ROOMY = `connections_per_client = 100000
connections_per_minute = 100000
transactions = 10000
`;
/** A table: no opinion about how busy the machine is. */
export const UNMOVED = `[load]
defer_at_load_average = 0
refuse_at_load_average = 0
defer_at_event_loop_delay = "0ms"
refuse_at_event_loop_delay = "0ms"
defer_at_memory = 0
refuse_at_memory = 0
`;
const MAIN = join(import.meta.dirname, '../src/cli/main.ts');

export async function startGate(
  cleanup: Cleanup,
  settings: GateSettings | { dir: string; text: string },
): Promise<Gate> {
  const configFile = join(settings.dir, 'postern.toml');
  await mkdir(join(settings.dir, 'data'), { recursive: true });
  await writeFile(configFile, 'text' in settings ? settings.text : configText(settings));
  const program = startProgram(cleanup, process.execPath, [
    '--disable-warning=ExperimentalWarning',
    ...('text' in settings ? [] : (settings.nodeArguments ?? [])),
    MAIN,
    'run',
    '-c',
    configFile,
  ]);
  const [, address] = await program.line(/"msg":"listening".*"address":"([^"]+)"/);
  const [, host, port] = /^(.*):(\d+)$/.exec(address ?? '') ?? [];
  return {
    host: host ?? '',
    port: Number(port),
    pid: program.pid,
    process: program,
    configFile,
    log: () =>
      program.lines.flatMap((line) =>
        line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : [],
      ),
    stop: () => program.stop(),
    kill: () => program.kill(),
  };
}

export function configText(settings: GateSettings): string {
  const list = (items: readonly string[]) => JSON.stringify(items);
  const tables = settings.tables ?? '';
  // Clients on loopback have no names, so all they bring would have to come again.
  const greylist = tables.includes('[checks.greylist]') ? '' : '[checks.greylist]\non_fail = "off"';
  return `host_name = "mx.example.org"
domains = ${list(settings.domains ?? ['example.org'])}
networks = ${list(settings.networks ?? [])}
data_dir = ${JSON.stringify(join(settings.dir, 'data'))}
${settings.top ?? ''}
[[listen]]
door = ${JSON.stringify(settings.door ?? 'gateway')}
address = ${JSON.stringify(settings.listen ?? '127.0.0.1:0')}
${settings.listener ?? ''}
${settings.backend === undefined ? '' : `[backend]\nurl = ${JSON.stringify(settings.backend)}`}
${settings.backendSettings ?? ''}
[dns]
servers = ${list(settings.dns === undefined ? [] : [settings.dns])}
[greet_pause]
delay = ${JSON.stringify(settings.greetPause ?? '0s')}
[limits]
${settings.limits ?? ROOMY}
${greylist}
${tables}
`;
}
