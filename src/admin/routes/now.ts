import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Now } from '../api.ts';
import { funnelOf } from '../funnel.ts';
import { gateNow } from '../live.ts';
import { route } from '../route.ts';
import { now } from '../schemas.ts';
import type { AdminWorld } from '../world.ts';
import { stepOf } from '../span.ts';

const WEEK_MINUTES = 10_080;

export function nowRoutes(app: FastifyInstance, world: AdminWorld): void {
  route(
    app,
    {
      method: 'GET',
      url: '/api/now',
      summary: 'The first page: what happened lately, the ladder, how the gate is',
      query: z.object({ minutes: z.coerce.number().int().min(1).max(WEEK_MINUTES).default(60) }),
      answer: now,
    },
    async ({ query }): Promise<Now> => {
      const { journal, desk, checks } = world;
      const untilMs = world.nowMs();
      const span = { sinceMs: untilMs - query.minutes * 60_000, untilMs };
      const [all, traffic, effects, rungs] = await Promise.all([
        journal.summary(span),
        journal.traffic({ ...span, stepMs: stepOf(span) }),
        journal.effect(span),
        journal.rungs(span),
      ]);
      const { received, delivered, relayed, rejected, deferred, abandoned, tagged } = all;
      const messages = delivered + relayed;
      return {
        atMs: untilMs,
        summary: { received, delivered, relayed, rejected, deferred, abandoned, tagged },
        traffic,
        funnel: funnelOf(effects, rungs, checks, messages === 0 ? 0 : all.deliveredOctets / messages),
        ...gateNow(world),
        queue: desk.queue.last(),
        openReports: desk.reports.open(),
        alerts: world.alerts(),
      };
    },
  );
}
