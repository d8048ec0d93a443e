/** The floors of the program: a file imports only from its own folder or from the folders its row names. */
export interface Floor {
  readonly level: number;
  readonly folder: string;
  readonly holds: string;
  readonly mayImport: readonly string[];
}

export const FLOORS: readonly Floor[] = [
  { level: 0, folder: 'mail', holds: 'values of the mail world: parse, format, compare', mayImport: [] },
  {
    level: 1,
    folder: 'wire',
    holds: 'protocols without I/O, clock or policy: bytes in, events out',
    mayImport: ['mail'],
  },
  {
    level: 2,
    folder: 'core',
    holds: 'facts, findings, verdicts, the ladder, replies; never awaits',
    mayImport: ['mail'],
  },
  {
    level: 3,
    folder: 'msgauth',
    holds: 'SPF, DKIM, DMARC, ARC behind our resolver port',
    mayImport: ['mail', 'core'],
  },
  {
    level: 3,
    folder: 'checks',
    holds: 'one stem a check; `ladder.ts` lists them',
    mayImport: ['mail', 'core', 'msgauth'],
  },
  {
    level: 4,
    folder: 'engine',
    holds: 'sessions: gather with deadlines, judge, replay',
    mayImport: ['mail', 'core', 'msgauth'],
  },
  { level: 4, folder: 'adapters', holds: 'the real ends of the ports', mayImport: ['mail', 'wire', 'core'] },
  {
    level: 4,
    folder: 'config',
    holds: 'the one file: schema, loading, describing',
    mayImport: ['mail', 'core', 'checks'],
  },
  {
    level: 5,
    folder: 'doors',
    holds: 'sockets: bytes ↔ codec ↔ engine',
    mayImport: ['mail', 'wire', 'core', 'engine'],
  },
  {
    level: 5,
    folder: 'admin',
    holds: 'HTTP API, report page, what watches the queue; cannot hold up a mail connection',
    mayImport: ['mail', 'core', 'engine', 'config'],
  },
  {
    level: 6,
    folder: 'cli',
    holds: 'one file a command; `run.ts` wires everything',
    mayImport: [
      'mail',
      'wire',
      'core',
      'msgauth',
      'checks',
      'engine',
      'adapters',
      'config',
      'doors',
      'admin',
    ],
  },
];

/** What no protocol code may touch: it has neither sockets nor files nor a clock of its own. */
export const NOT_IN_WIRE = [
  'net',
  'tls',
  'dns',
  'fs',
  'timers',
  'http',
  'child_process',
  'worker_threads',
  'crypto',
  'os',
];

export function floorsTable(): string {
  const rows = FLOORS.map(({ level, folder, holds, mayImport }) => {
    const names =
      mayImport.length === 0 ? 'nothing of ours' : folder === 'cli' ? 'all' : mayImport.join(', ');
    return `| ${level} | \`src/${folder}/\` | ${holds} | ${names} |`;
  });
  return ['| floor | folder | what lives there | may import |', '|---|---|---|---|', ...rows].join('\n');
}
