import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { MAX_REASON } from '../../core/operator-block.ts';
import { formatReply } from '../../mail/reply.ts';
import type { ReportLine } from '../api.ts';
import { decisionLines, findDecision, findDecisions } from '../decision-lines.ts';
import { putOnList } from '../listing.ts';
import { Refused } from '../refused.ts';
import { route, userOf } from '../route.ts';
import { reportAnswer, reportLine, reportList } from '../schemas.ts';
import type { AdminWorld } from '../world.ts';
import type { Report } from '../../core/desk.ts';

const PAGE = 50;

export function reportsRoutes(app: FastifyInstance, world: AdminWorld): void {
  const linesOf = async (reports: readonly Report[]): Promise<ReportLine[]> => {
    const ids = [...new Set(reports.map(({ decision }) => decision))];
    const found = await findDecisions(world, ids);
    const lines = new Map(decisionLines(world, found).map((line) => [line.id, line]));
    const replies = new Map(found.map(({ id, reply }) => [id, reply]));
    return reports.map((report) => {
      const line = lines.get(report.decision);
      if (line === undefined) return { report };
      const reply = replies.get(report.decision);
      return { report, decision: line, refusal: reply === undefined ? undefined : formatReply(reply).trim() };
    });
  };

  route(
    app,
    {
      method: 'GET',
      url: '/api/reports',
      summary: 'Mistakes that refused senders told of, newest first',
      query: z.object({
        state: z.enum(['open', 'let-in', 'declined']).exactOptional(),
        before: z.coerce.number().int().min(1).exactOptional(),
      }),
      answer: reportList,
    },
    async ({ query: { state, before } }) => {
      const found = world.desk.reports.list({ state, beforeId: before, limit: PAGE });
      return {
        reports: await linesOf(found),
        before: found.length < PAGE ? undefined : found.at(-1)?.id,
      };
    },
  );

  route(
    app,
    {
      method: 'POST',
      url: '/api/reports/:id/answer',
      summary: 'Answers a report; with let-in it lets in what it is about',
      params: z.object({ id: z.coerce.number().int().min(1) }),
      body: reportAnswer,
      answer: reportLine,
    },
    async ({ params: { id }, body: { state, text, scope, lastsMs }, request }) => {
      const report = world.desk.reports.find(id);
      if (report === undefined) throw new Refused(404, 'There is no such report');
      const by = userOf(request).name;
      if (state === 'let-in') {
        if (scope === undefined) throw new Refused(400, 'scope: says what is let in', { field: 'scope' });
        const decision = await findDecision(world, report.decision);
        if (decision === undefined)
          throw new Refused(409, 'The journal does not have the decision any more; add an entry under Lists');
        const reason = `report ${id}: ${text}`.slice(0, MAX_REASON);
        const asked = { scope, reason, ...(lastsMs === undefined ? {} : { lastsMs }) };
        await putOnList(world, decision, 'allow', asked, by);
      }
      const answered = world.desk.reports.answer(id, { state, text, by });
      if (answered === undefined) throw new Refused(404, 'There is no such report');
      const [line] = await linesOf([answered]);
      return line ?? { report: answered };
    },
  );
}
