import { sql, type Kysely } from 'kysely';
import type { Decision } from '../../core/decision.ts';
import { unpackedLines } from './chunk.ts';
import { decisionOf } from './record.ts';
import type { Tables } from './schema.ts';

/** In the order of `seqs`; without those that were dropped since they were found. */
export async function decisionsOf(db: Kysely<Tables>, seqs: readonly number[]): Promise<Decision[]> {
  const texts = await textsOf(db, seqs);
  return seqs.flatMap((seq) => {
    const text = texts.get(seq);
    return text === undefined ? [] : [decisionOf(text)];
  });
}

/** Whole chunks are unpacked, so each is once. */
export async function textsOf(db: Kysely<Tables>, seqs: readonly number[]): Promise<Map<number, string>> {
  const texts = new Map<number, string>();
  let chunk: { readonly first: number; readonly lines: ReturnType<typeof unpackedLines> } | undefined;
  for (const seq of seqs.toSorted((a, b) => a - b)) {
    if (chunk === undefined || seq >= chunk.first + chunk.lines.length) {
      const { rows } = await sql<Tables['bodies']>`SELECT seq, body FROM bodies WHERE seq <= ${seq}
        ORDER BY seq DESC LIMIT 1`.execute(db);
      const [row] = rows;
      if (row === undefined) continue;
      chunk = { first: row.seq, lines: unpackedLines(row.body) };
    }
    const text = chunk.lines[seq - chunk.first]?.();
    if (text !== undefined && text !== '') texts.set(seq, text);
  }
  return texts;
}
