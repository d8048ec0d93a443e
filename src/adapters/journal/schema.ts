import type { DecisionRow, Name } from './rows.ts';
import type { Counts, OutcomeCount } from './sums.ts';

/**
 * The journal's tables, in SQL that SQLite and PostgreSQL share (there `names.name` and `decisions.client` want COLLATE "C", for clients are
 * searched by range).
 */
export interface Tables {
  /** In the order of recording. */
  decisions: DecisionRow & { readonly seq: number };
  names: Name & { readonly seq: number };
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

// Ids and mailboxes come in no order, and each index over them costs a page or so to write for each decision: one tree
// has them all. Those by time, outcome, check and client have few pages in use at a time.
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
];
