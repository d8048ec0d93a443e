import type { DecisionRow } from './rows.ts';
import { SEGMENT } from './segments.ts';
import type { Counts, OutcomeCount } from './sums.ts';

/**
 * The journal's tables, in SQL that SQLite and PostgreSQL share (there `client`, `sender` and `recipient` want COLLATE "C", for they are
 * searched by range).
 */
export interface Tables {
  /** In the order of recording. */
  decisions: DecisionRow & { readonly seq: number; readonly segment: number };
  /** Of a decision with several all but the first, which stands with the decision. */
  recipients: { readonly segment: number; readonly recipient: string; readonly seq: number };
  /** When the first and the last of its decisions began. */
  segments: { readonly segment: number; readonly first_ms: number; readonly last_ms: number };
  /** In what its decisions ended, each kind once; the check is empty where none decided. */
  endings: { readonly segment: number; readonly outcome: string; readonly check_name: string };
  /** The chunk whose first decision is `seq`; its others follow without a gap. */
  bodies: { readonly seq: number; readonly body: Uint8Array };
  counts: Readonly<Counts>;
  outcomes: Readonly<OutcomeCount>;
  /** By the hour, whose first minute stands as `minute`. */
  hourly_counts: Readonly<Counts>;
  hourly_outcomes: Readonly<OutcomeCount>;
  /** See `sketch.ts`. Empty: of this hour there is none. */
  hourly_clients: { readonly minute: number; readonly sketch: Uint8Array };
}

export const COUNTED = [
  'asked',
  'failed',
  'temperror',
  'refused',
  'deferred',
  'took_ms',
  'lookups',
  'alone',
  'overlap',
  'on_good_standing',
] as const satisfies (keyof Counts)[];

const totals = COUNTED.map((name) => `sum(${name})`).join(', ');
/** The sums of the hours as those of their minutes make them, where `which` holds for the minutes. */
export const hoursOf = (which: string): readonly [string, string] => [
  `INSERT INTO hourly_counts (minute, check_name, ${COUNTED.join(', ')})
     SELECT minute / 60 * 60, check_name, ${totals} FROM counts WHERE ${which} GROUP BY 1, 2`,
  `INSERT INTO hourly_outcomes (minute, outcome, tagged, partly, decisions, octets)
     SELECT minute / 60 * 60, outcome, tagged, partly, sum(decisions), sum(octets) FROM outcomes
     WHERE ${which} GROUP BY 1, 2, 3, 4`,
];

const countsTable = (name: string): string => `CREATE TABLE ${name} (
     minute INTEGER NOT NULL, check_name TEXT NOT NULL, asked INTEGER NOT NULL, failed INTEGER NOT NULL,
     temperror INTEGER NOT NULL, refused INTEGER NOT NULL, deferred INTEGER NOT NULL, took_ms REAL NOT NULL,
     lookups INTEGER NOT NULL, alone INTEGER NOT NULL, overlap INTEGER NOT NULL, on_good_standing INTEGER NOT NULL,
     PRIMARY KEY (minute, check_name)
   ) WITHOUT ROWID;`;
const outcomesTable = (name: string): string => `CREATE TABLE ${name} (
     minute INTEGER NOT NULL, outcome TEXT NOT NULL, tagged INTEGER NOT NULL, partly INTEGER NOT NULL,
     decisions INTEGER NOT NULL, octets INTEGER NOT NULL, PRIMARY KEY (minute, outcome, tagged, partly)
   ) WITHOUT ROWID;`;

export const SQLITE_MIGRATIONS = [
  `CREATE TABLE decisions (
     seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, client TEXT NOT NULL, outcome TEXT NOT NULL, check_name TEXT,
     size_octets INTEGER NOT NULL, tagged INTEGER NOT NULL
   );
   CREATE INDEX decisions_by_time ON decisions (at_ms);
   CREATE INDEX decisions_by_client ON decisions (client);
   CREATE TABLE names (
     kind INTEGER NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (kind, name, seq)
   ) WITHOUT ROWID;
   CREATE TABLE bodies (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
   CREATE TABLE counts (
     minute INTEGER NOT NULL, check_name TEXT NOT NULL, asked INTEGER NOT NULL, failed INTEGER NOT NULL,
     temperror INTEGER NOT NULL, refused INTEGER NOT NULL, deferred INTEGER NOT NULL, took_ms REAL NOT NULL,
     PRIMARY KEY (minute, check_name)
   ) WITHOUT ROWID;`,
  `ALTER TABLE decisions ADD COLUMN partly INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE decisions ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;`,
  `ALTER TABLE decisions ADD COLUMN bare INTEGER NOT NULL DEFAULT 0;
   CREATE INDEX decisions_bare ON decisions (at_ms) WHERE bare = 1;`,
  // Of old minutes the outcomes are filled in from the decisions there are, and the hours from the minutes. What checks did beyond what was
  // counted then (`lookups` to `on_good_standing`), and what came to each rung, stays zero; the clients of old hours have no sketch, and
  // are counted one by one for as long as those hours last. The last of them has an empty one, to which nothing is added: a sketch of what
  // comes in the rest of it would be one of a part. Half a minute for millions of decisions, once.
  `ALTER TABLE counts ADD COLUMN lookups INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE counts ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE counts ADD COLUMN overlap INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE counts ADD COLUMN on_good_standing INTEGER NOT NULL DEFAULT 0;
   ${outcomesTable('outcomes')}
   INSERT INTO outcomes SELECT at_ms / 60000, outcome, tagged, partly, count(*), sum(size_octets)
     FROM decisions WHERE left_out = 0 GROUP BY 1, 2, 3, 4;
   INSERT INTO outcomes SELECT minute, 'turned-away', 0, 0, sum(deferred), 0
     FROM counts WHERE check_name >= 'door:' AND check_name < 'door;' GROUP BY minute;
   ${countsTable('hourly_counts')}
   ${outcomesTable('hourly_outcomes')}
   ${hoursOf('true').join(';')};
   CREATE TABLE hourly_clients (minute INTEGER PRIMARY KEY, sketch BLOB NOT NULL);
   INSERT INTO hourly_clients SELECT at_ms / 3600000 * 60, x'' FROM decisions ORDER BY at_ms DESC LIMIT 1;
   CREATE INDEX decisions_by_outcome ON decisions (outcome, at_ms);
   CREATE INDEX decisions_by_check ON decisions (check_name, at_ms) WHERE check_name IS NOT NULL;
   INSERT OR IGNORE INTO names
     SELECT kind + 2, substr(name, 1, instr(name, '@') - 1), seq FROM names
     WHERE kind IN (2, 3) AND instr(name, '@') > 1;`,
  // Which of two ids was the session's cannot be told any more, and need not: both are looked for. A minute for five million decisions,
  // once.
  `CREATE INDEX names_by_seq ON names (seq, kind, name) WHERE kind <= 3;
   ALTER TABLE decisions RENAME TO old_decisions;
   CREATE TABLE decisions (
     seq INTEGER PRIMARY KEY, segment INTEGER NOT NULL, at_ms INTEGER NOT NULL, id TEXT NOT NULL, session TEXT,
     client TEXT NOT NULL, sender TEXT, recipient TEXT, outcome TEXT NOT NULL, check_name TEXT,
     size_octets INTEGER NOT NULL, tagged INTEGER NOT NULL, partly INTEGER NOT NULL, left_out INTEGER NOT NULL,
     bare INTEGER NOT NULL
   );
   INSERT INTO decisions SELECT seq, seq / ${SEGMENT}, at_ms,
       coalesce((SELECT min(name) FROM names AS n WHERE n.seq = d.seq AND n.kind = 1 AND n.kind <= 3), ''),
       (SELECT max(name) FROM names AS n WHERE n.seq = d.seq AND n.kind = 1 AND n.kind <= 3),
       client,
       (SELECT min(name) FROM names AS n WHERE n.seq = d.seq AND n.kind = 2 AND n.kind <= 3),
       (SELECT min(name) FROM names AS n WHERE n.seq = d.seq AND n.kind = 3 AND n.kind <= 3),
       outcome, check_name, size_octets, tagged, partly, left_out, bare
     FROM old_decisions AS d ORDER BY seq;
   CREATE TABLE recipients (
     segment INTEGER NOT NULL, recipient TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (segment, recipient, seq)
   ) WITHOUT ROWID;
   INSERT INTO recipients SELECT d.segment, n.name, n.seq FROM names AS n JOIN decisions AS d ON d.seq = n.seq
     WHERE n.kind = 3 AND n.name <> d.recipient;
   CREATE TABLE segments (segment INTEGER PRIMARY KEY, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL);
   INSERT INTO segments SELECT segment, min(at_ms), max(at_ms) FROM decisions GROUP BY segment;
   CREATE TABLE endings (
     segment INTEGER NOT NULL, outcome TEXT NOT NULL, check_name TEXT NOT NULL,
     PRIMARY KEY (segment, outcome, check_name)
   ) WITHOUT ROWID;
   INSERT INTO endings SELECT DISTINCT segment, outcome, coalesce(check_name, '') FROM decisions;
   DROP TABLE old_decisions;
   DROP TABLE names;
   ${['id', 'session', 'client', 'sender', 'recipient']
     .map((column) => `CREATE INDEX decisions_by_${column} ON decisions (segment, ${column});`)
     .join(' ')}
   CREATE INDEX decisions_bare ON decisions (at_ms) WHERE bare = 1;`,
];
