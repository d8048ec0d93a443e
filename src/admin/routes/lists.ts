import { setImmediate as turn } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { entryWords } from '../../core/entry-words.ts';
import { LISTED_KINDS } from '../../core/listed.ts';
import type { Lists } from '../api.ts';
import { notesOnBlock } from '../block-notes.ts';
import { Refused, taken } from '../refused.ts';
import { route, userOf } from '../route.ts';
import { addedEntry, done, lists, newEntry } from '../schemas.ts';
import type { AdminWorld } from '../world.ts';

/** Entries shown; the search finds the others. */
const SHOWN = 500;
const SHOWN_OF_FILES = 200;
/** Entries of a slice: some milliseconds. */
const SLICE = 4096;

export function listsRoutes(app: FastifyInstance, world: AdminWorld): void {
  route(
    app,
    {
      method: 'GET',
      url: '/api/lists',
      summary: 'Entries that people keep here, and those of the files',
      query: z.object({
        kind: z.enum(LISTED_KINDS).exactOptional(),
        text: z.string().max(320).exactOptional(),
      }),
      answer: lists,
    },
    async ({ query: { kind, text } }) => ({
      listed: await world.listed.list({ kind, text: text === '' ? undefined : text, limit: SHOWN }),
      ...(await fromFiles(world, kind, text?.toLowerCase() ?? '')),
    }),
  );

  route(
    app,
    { method: 'POST', url: '/api/lists', summary: 'Adds an entry', body: newEntry, answer: addedEntry },
    async ({ body: { lastsMs, ...entry }, request }) => {
      const unknown = entry.lifts?.find((name) => !world.checks.some((check) => check.name === name));
      if (unknown !== undefined) throw new Refused(422, `There is no check ${unknown}`, { field: 'lifts' });
      if (entry.lifts !== undefined && entry.kind !== 'allow')
        throw new Refused(422, 'Only an entry that lets in lifts checks', { field: 'lifts' });
      const ends = lastsMs === undefined ? {} : { endsMs: world.nowMs() + lastsMs };
      const listed = await taken(() => world.listed.add({ ...entry, ...ends, by: userOf(request).name }));
      return { ...listed, notes: entry.kind === 'block' ? await notesOnBlock(world, listed) : [] };
    },
  );

  route(
    app,
    {
      method: 'DELETE',
      url: '/api/lists/:id',
      summary: 'Takes an entry off',
      params: z.object({ id: z.coerce.number().int().min(1) }),
      answer: done,
    },
    async ({ params: { id } }) => {
      if (!(await world.listed.remove(id))) throw new Refused(404, 'There is no such entry');
      return { text: 'The entry is removed' };
    },
  );
}

async function fromFiles(
  world: AdminWorld,
  kind: string | undefined,
  text: string,
): Promise<Pick<Lists, 'fromFiles' | 'fromFilesInAll'>> {
  const found: Lists['fromFiles'][number][] = [];
  let fromFilesInAll = 0;
  let looked = 0;
  for (const entry of world.config().listEntries) {
    if (++looked % SLICE === 0) await turn();
    if (entry.kind === 'mailbox' || (kind !== undefined && entry.kind !== kind)) continue;
    const words = entryWords(entry);
    const all = `${words} ${entry.reason ?? ''} ${entry.source}`;
    if (text !== '' && !all.toLowerCase().includes(text)) continue;
    fromFilesInAll += 1;
    if (found.length < SHOWN_OF_FILES)
      found.push({ kind: entry.kind, text: words, source: entry.source, reason: entry.reason });
  }
  return { fromFiles: found, fromFilesInAll };
}
