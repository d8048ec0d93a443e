import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { route } from '../route.ts';
import { safeToTurnOff } from '../safe-to-turn-off.ts';
import { effect } from '../schemas.ts';
import { checkSpan, spanQuery, stepOf } from '../span.ts';
import type { AdminWorld } from '../world.ts';

export function effectRoutes(app: FastifyInstance, world: AdminWorld): void {
  route(
    app,
    {
      method: 'GET',
      url: '/api/effect',
      summary: 'What each check did in a span of time, and whether it could go',
      query: z.object(spanQuery),
      answer: effect,
    },
    async ({ query }) => {
      checkSpan(query);
      const untilMs = query.until ?? world.nowMs();
      const sinceMs = query.since ?? untilMs - 86_400_000;
      const stepMs = stepOf({ sinceMs, untilMs });
      const [effects, stopped] = await Promise.all([
        world.journal.effect({ sinceMs, untilMs }),
        world.journal.stoppedBy({ sinceMs, untilMs, stepMs }),
      ]);
      const mistakes = world.desk.reports.byCheck(sinceMs);
      const firstMs = Math.floor(sinceMs / stepMs) * stepMs;
      return {
        sinceMs,
        untilMs,
        checks: effects.map((its) => {
          const check = world.checks.find(({ name }) => name === its.check);
          const reportedMistakes = mistakes[its.check] ?? 0;
          return {
            ...its,
            summary: check?.summary ?? '',
            cost: check?.cost ?? '',
            reportedMistakes,
            safeToTurnOff: safeToTurnOff(its, untilMs - sinceMs, reportedMistakes),
            points: (stopped[its.check] ?? []).map((n, i) => ({ sinceMs: firstMs + i * stepMs, stopped: n })),
          };
        }),
      };
    },
  );
}
