import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { route } from '../route.ts';
import { queueHistory } from '../schemas.ts';
import { checkSpan, spanQuery } from '../span.ts';
import type { AdminWorld } from '../world.ts';

const POINTS = 500;

export function queueRoutes(app: FastifyInstance, world: AdminWorld): void {
  route(
    app,
    {
      method: 'GET',
      url: '/api/queue',
      summary: "The history of the mail server's queue",
      query: z.object(spanQuery),
      answer: queueHistory,
    },
    ({ query }) => {
      checkSpan(query);
      const until = query.until ?? world.nowMs();
      const since = query.since ?? until - 86_400_000;
      return {
        watched: world.config().admin.queueWatch !== undefined,
        now: world.desk.queue.last(),
        samples: world.desk.queue.between(since, until, POINTS),
        alerts: world.queueAlerts(),
      };
    },
  );
}
