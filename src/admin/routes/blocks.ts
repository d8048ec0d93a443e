import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { Refused, taken } from '../refused.ts';
import { route, userOf } from '../route.ts';
import { blockAnswer, blockList, done, newBlock } from '../schemas.ts';
import type { AdminWorld } from '../world.ts';

const network = z.string().trim().min(2).max(60);

export function blocksRoutes(app: FastifyInstance, world: AdminWorld): void {
  route(
    app,
    {
      method: 'GET',
      url: '/api/blocks',
      summary: 'The short-term block list, newest first',
      query: z.object({ network: network.exactOptional() }),
      answer: blockList,
    },
    async ({ query }) => ({ blocks: await taken(() => world.blocks.list(query.network), 'network') }),
  );

  route(
    app,
    {
      method: 'POST',
      url: '/api/blocks',
      summary: 'Blocks an address or a network for a time',
      body: newBlock,
      answer: blockAnswer,
    },
    ({ body, request }) => taken(() => world.blocks.add({ ...body, by: userOf(request).name }), 'network'),
  );

  route(
    app,
    {
      method: 'DELETE',
      url: '/api/blocks',
      summary: 'Ends a block, and forgets what led to it',
      query: z.object({ network }),
      answer: done,
    },
    async ({ query }) => {
      if (!(await taken(() => world.blocks.remove(query.network), 'network')))
        throw new Refused(404, `Nothing blocks ${query.network}`);
      return { text: `${query.network} is no longer blocked, and what was held against it is forgotten` };
    },
  );
}
