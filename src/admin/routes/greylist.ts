import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { Refused, taken } from '../refused.ts';
import { route } from '../route.ts';
import { done, greylistRow, greylistRows } from '../schemas.ts';
import type { AdminWorld } from '../world.ts';

const SHOWN = 500;

export function greylistRoutes(app: FastifyInstance, world: AdminWorld): void {
  route(
    app,
    {
      method: 'GET',
      url: '/api/greylist',
      summary: 'Who waits, and who is known',
      query: z.object({ text: z.string().max(320).default('') }),
      answer: greylistRows,
    },
    ({ query: { text } }) => taken(() => world.greylist.search(text, SHOWN)),
  );

  route(
    app,
    {
      method: 'DELETE',
      url: '/api/greylist',
      summary: 'Forgets a row: the next message begins anew',
      body: greylistRow,
      answer: done,
    },
    async ({ body }) => {
      if (!(await taken(() => world.greylist.remove(body)))) throw new Refused(404, 'There is no such row');
      return { text: 'The row is forgotten' };
    },
  );
}
