import type { FastifyInstance } from 'fastify';
import type { Access } from '../access.ts';
import { Refused } from '../refused.ts';
import type { AdminWorld } from '../world.ts';

export function metricsRoutes(app: FastifyInstance, world: AdminWorld, access: Access): void {
  app.get(
    '/metrics',
    {
      config: { open: true },
      schema: {
        summary: 'Metrics for Prometheus',
        produces: ['text/plain'],
        response: { 200: { type: 'string', description: 'The text format of Prometheus' } },
      },
    },
    async (request, reply) => {
      if (request.user === undefined && !access.mayReadMetrics(request.raw))
        throw new Refused(403, 'metrics_from in [admin] does not name you, or a web server passed this on');
      const { text, contentType } = await world.metrics();
      return reply.type(contentType).send(text);
    },
  );
}
