import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { SqliteDialect, type SqliteDatabase } from 'kysely';

/** kysely's own SQLite dialect over `node:sqlite`: it wants the shape of better-sqlite3. */
export function sqliteDialect(db: DatabaseSync): SqliteDialect {
  const database: SqliteDatabase = {
    prepare(sql) {
      const statement = db.prepare(sql);
      const values = (parameters: readonly unknown[]) => parameters as readonly SQLInputValue[];
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...values(parameters)),
        run: (parameters) => statement.run(...values(parameters)),
        iterate: (parameters) => statement.iterate(...values(parameters)),
      };
    },
    close: () => db.close(),
  };
  return new SqliteDialect({ database });
}
