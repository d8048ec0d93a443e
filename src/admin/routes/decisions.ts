import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { OUTCOMES, type Decision, type JournalQuery } from '../../core/decision.ts';
import { nearest } from '../../config/nearest.ts';
import { parseNetwork } from '../../mail/ip.ts';
import type { DecisionStory } from '../api.ts';
import { decisionLines, findDecision } from '../decision-lines.ts';
import { putOnList } from '../listing.ts';
import { Refused, taken } from '../refused.ts';
import { route, userOf } from '../route.ts';
import {
  decisionList,
  decisionStory,
  done,
  listAnswer,
  listRequest,
  markRequest,
  teachRequest,
} from '../schemas.ts';
import { checkSpan, spanQuery } from '../span.ts';
import { storyOf, verdictOf } from '../story.ts';
import type { AdminWorld } from '../world.ts';

const text = (most: number) => z.string().trim().min(1).max(most).exactOptional();
const query = z.object({
  id: text(60),
  client: text(60),
  sender: text(320),
  recipient: text(320),
  check: text(60),
  outcome: z.enum(OUTCOMES).exactOptional(),
  ...spanQuery,
  limit: z.coerce.number().int().min(1).max(500).default(50),
  before: text(200),
});
const params = z.object({ id: z.string().regex(/^[0-9A-Za-z._-]{1,60}$/, 'is no id of a decision') });

/** An old journal may name checks that there are no more, so a name is doubted only where nothing was found by it. */
function checkCheck({ checks }: AdminWorld, name: string | undefined): void {
  const known = [...checks.map((check) => check.name), 'suspicion'];
  if (name === undefined || known.includes(name)) return;
  const near = nearest(name, known);
  const remedy = near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`;
  throw new Refused(400, `check: there is no check ${name}; ${remedy}`, { field: 'check' });
}

/** Of one session; more are found by its id. */
const MAX_OF_SESSION = 50;

export function decisionsRoutes(app: FastifyInstance, world: AdminWorld): void {
  const found = async (id: string): Promise<Decision> => {
    const decision = await findDecision(world, id);
    if (decision === undefined) throw new Refused(404, `The journal has no decision ${id}`);
    return decision;
  };

  route(
    app,
    {
      method: 'GET',
      url: '/api/decisions',
      summary: 'Decisions, those recorded last first; all that is given must match',
      query,
      answer: decisionList,
    },
    async ({ query: { since, until, client, id, ...rest } }) => {
      if (client !== undefined && parseNetwork(client).kind === 'bad')
        throw new Refused(400, 'client: wants an address or a network such as 192.0.2.0/24', {
          field: 'client',
        });
      checkSpan({ ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) });
      const asked: JournalQuery = {
        ...rest,
        // However it is written down from a telephone.
        ...(id === undefined ? {} : { id: id.toUpperCase() }),
        ...(client === undefined ? {} : { client }),
        ...(since === undefined ? {} : { sinceMs: since }),
        ...(until === undefined ? {} : { untilMs: until }),
      };
      const page = await taken(() => world.journal.findPage(asked));
      if (page.decisions.length === 0 && page.before === undefined) checkCheck(world, rest.check);
      return {
        decisions: decisionLines(world, page.decisions),
        before: page.before,
      };
    },
  );

  route(
    app,
    {
      method: 'GET',
      url: '/api/decisions/:id',
      summary: 'One decision as a story',
      params,
      answer: decisionStory,
    },
    async ({ params: { id } }): Promise<DecisionStory> => {
      const decision = await found(id);
      const others = await world.journal.find({ id: decision.sessionId, limit: MAX_OF_SESSION });
      const [line, ...session] = decisionLines(world, [decision, ...others.filter((d) => d.id !== id)]);
      if (line === undefined) throw new Refused(404, `The journal has no decision ${id}`);
      return {
        decision,
        line,
        verdict: verdictOf(decision, line.decidedBy, world.checks),
        story: storyOf(decision),
        wouldChange: await world.wouldChange(decision),
        session,
        report: world.desk.reports.of(id),
        mark: line.mark,
        blocks: world.blocks.list(decision.session.client.address),
        teachable: world.teaching.knows(id),
      };
    },
  );

  for (const [name, kind, summary] of [
    ['let-in', 'allow', 'Lets in what the decision was about, from now on'],
    ['block', 'block', 'Blocks what the decision was about, from now on'],
  ] as const) {
    route(
      app,
      {
        method: 'POST',
        url: `/api/decisions/:id/${name}`,
        summary,
        params,
        body: listRequest,
        answer: listAnswer,
      },
      async ({ params: { id }, body, request }) =>
        putOnList(world, await found(id), kind, body, userOf(request).name),
    );
  }

  route(
    app,
    {
      method: 'POST',
      url: '/api/decisions/:id/mark',
      summary: 'Says that a message was wanted or not; null takes it back',
      params,
      body: markRequest,
      answer: done,
    },
    async ({ params: { id }, body: { judgement }, request }) => {
      await found(id);
      world.desk.marks.set(id, judgement ?? undefined, userOf(request).name);
      return { text: judgement === null ? 'The mark is taken off' : `Marked as ${judgement}` };
    },
  );

  route(
    app,
    {
      method: 'POST',
      url: '/api/decisions/:id/teach',
      summary: 'Teaches the classifier what the message was',
      params,
      body: teachRequest,
      answer: done,
    },
    async ({ params: { id }, body: { kind } }) => {
      switch (await taken(() => world.teaching.teach(id, kind))) {
        case 'taught':
          return { text: `The classifier has learnt it as ${kind}` };
        case 'already':
          return { text: `The classifier had learnt it as ${kind} already` };
        case 'unknown':
          throw new Refused(409, 'The classifier does not remember this message any more');
      }
    },
  );
}
