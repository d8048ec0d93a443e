import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { Refused, taken } from '../refused.ts';
import { route } from '../route.ts';
import { job, MAX_CONFIG, whatIf, whatIfRequest } from '../schemas.ts';
import type { AdminWorld } from '../world.ts';

const DAY_MS = 86_400_000;

export function whatIfRoutes(app: FastifyInstance, world: AdminWorld): void {
  route(
    app,
    {
      method: 'POST',
      url: '/api/what-if',
      summary: 'Judges recorded decisions again under another configuration',
      body: whatIfRequest,
      answer: job,
      // A character of it may take six octets in JSON.
      bodyLimit: 2 * MAX_CONFIG,
    },
    async ({ body: { config, sinceMs = world.nowMs() - DAY_MS } }) => ({
      job: await taken(() => world.whatIf.start({ config, sinceMs }), 'config'),
    }),
  );

  route(
    app,
    {
      method: 'GET',
      url: '/api/what-if/:job',
      summary: 'How it goes, and what has come of it',
      params: z.object({ job: z.string().min(1).max(60) }),
      answer: whatIf,
    },
    ({ params }) => {
      const found = world.whatIf.find(params.job);
      if (found === undefined) throw new Refused(404, 'There is no such job any more; start it again');
      return found;
    },
  );

  route(
    app,
    {
      method: 'DELETE',
      url: '/api/what-if/:job',
      summary: 'Ends it, and forgets it',
      params: z.object({ job: z.string().min(1).max(60) }),
      answer: z.object({}),
    },
    ({ params }) => {
      world.whatIf.abandon(params.job);
      return {};
    },
  );
}
