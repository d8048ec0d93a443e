import type { FastifyInstance } from 'fastify';
import type { Access } from '../access.ts';
import type { Live } from '../live.ts';
import { Refused } from '../refused.ts';
import { userOf } from '../route.ts';

export function liveRoutes(app: FastifyInstance, access: Access, live: Live): void {
  app.get(
    '/api/live',
    {
      schema: {
        summary: 'What happens, as it happens: Server-Sent Events `decisions` and `gate`',
        produces: ['text/event-stream'],
        response: { 200: { type: 'string', description: 'text/event-stream' } },
      },
    },
    (request, reply) => {
      userOf(request);
      const to = reply.raw;
      const isIn = () => access.userOf(request.raw, request.cookies) !== undefined;
      if (live.isFull) throw new Refused(503, 'Too many watch already', { retryAfterSeconds: 30 });
      reply.hijack();
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) to.setHeader(name, value);
      to.setHeader('content-type', 'text/event-stream; charset=utf-8');
      // A proxy that gathers the answer first would show nothing.
      to.setHeader('x-accel-buffering', 'no');
      to.writeHead(200);
      live.listen(to, isIn);
    },
  );
}
