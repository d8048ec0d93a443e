/** The types of `api.ts` as schemas: every route checks what comes in by them, and the OpenAPI document is made of them. */
import { z } from 'zod';
import { OUTCOMES, type Decision } from '../core/decision.ts';
import { MAX_REPORT_TEXT, type Report } from '../core/desk.ts';
import { LISTED_KINDS } from '../core/listed.ts';
import { MAX_DAYS, MAX_REASON } from '../core/operator-block.ts';
import type { Block } from '../core/ports.ts';
import {
  SCOPES,
  type AddedEntry,
  type BlockList,
  type DecisionLine,
  type DecisionList,
  type DecisionStory,
  type Effect,
  type GreylistRows,
  type ListAnswer,
  type ListRequest,
  type Lists,
  type Me,
  type NewEntry,
  type Now,
  type Problem,
  type QueueHistory,
  type ReportAnswer,
  type ReportLine,
  type ReportList,
  type Settings,
  type Taught,
  type WhatIf,
  type WhatIfRequest,
} from './api.ts';
import { schemaOf } from './schema-of.ts';

const text = z.string();
const count = z.number();
const timeMs = z.number().meta({ description: 'Milliseconds since 1970' });
const named = z.record(text, count);
const outcome = z.enum(OUTCOMES);
const judgement = z.enum(['wanted', 'unwanted']);

export const problem = schemaOf<Problem>()(z.object({ error: text, field: text.optional() }));

export const me = schemaOf<Me>()(
  z.object({ user: text, csrf: text, hostName: text, version: text, takesReports: z.boolean() }),
);

const queueSample = z.object({
  atMs: timeMs,
  messages: count,
  byQueue: named.optional(),
  oldestMs: count.optional(),
});

const dependency = z.object({
  kind: z.enum(['backend', 'dns', 'dns-list', 'scanner', 'certificate', 'store', 'journal']),
  name: text,
  state: z.enum(['ok', 'slow', 'ill', 'unknown']),
  detail: text.optional(),
});

const gate = z.object({
  pid: count,
  startedAtMs: timeMs,
  atMs: timeMs,
  policy: text,
  listening: z.array(z.object({ door: text, host: text, port: count })),
  load: z.object({ level: text, sample: named }),
  connections: z.object({ now: count, limit: count }),
  journal: z.object({ recorded: count, dropped: count }),
});

const trafficPoint = z.object({
  sinceMs: timeMs,
  outcomes: z.record(outcome, count),
  tagged: count,
  turnedAway: count,
  deliveredOctets: count,
});

const rung = z.object({
  cost: text,
  checks: z.array(text),
  came: count,
  stopped: count,
  tookMs: count,
  lookups: count,
  octets: count,
  savedMs: count,
  savedLookups: count,
  savedOctets: count,
});

export const now = schemaOf<Now>()(
  z.object({
    atMs: timeMs,
    summary: z.object({
      received: count,
      delivered: count,
      relayed: count,
      rejected: count,
      deferred: count,
      abandoned: count,
      tagged: count,
    }),
    traffic: z.array(trafficPoint),
    funnel: z.array(rung),
    gate: gate.optional(),
    dependencies: z.array(dependency),
    queue: queueSample.optional(),
    openReports: count,
    alerts: z.array(text),
  }),
);

const decisionLine = z.object({
  id: text,
  atMs: timeMs,
  client: text,
  helo: text.optional(),
  sender: text.optional(),
  recipients: z.array(text),
  outcome,
  code: count.optional(),
  decidedBy: text.optional(),
  tags: z.array(text),
  mark: judgement.optional(),
  reported: z.boolean(),
});
schemaOf<DecisionLine>()(decisionLine);

export const decisionList = schemaOf<DecisionList>()(
  z.object({ decisions: z.array(decisionLine), before: text.optional() }),
);

const storyLine = z.object({
  kind: z.enum(['dialogue', 'check', 'verdict']),
  stage: text,
  tone: text,
  text,
  check: text.optional(),
  evidence: text.optional(),
  findings: z.array(text).optional(),
  tookMs: count.optional(),
});

const report = z.object({
  id: count,
  decision: text,
  atMs: timeMs,
  network: text,
  contact: text,
  text,
  state: z.enum(['open', 'let-in', 'declined']),
  answer: z.object({ text, by: text, atMs: timeMs }).optional(),
});
schemaOf<Report>()(report);

const block = z.object({
  network: text,
  reason: text,
  evidence: text,
  by: text,
  convictions: count,
  sinceMs: timeMs,
  endsMs: timeMs,
});
export const blockAnswer = schemaOf<Block>()(block);

/** As `postern log --json` prints it; its shape is that of the journal. */
const decision = z
  .custom<Decision>((value) => typeof value === 'object' && value !== null && 'id' in value)
  .meta({ type: 'object', description: 'The whole decision as it was recorded' });

export const decisionStory = schemaOf<DecisionStory>()(
  z.object({
    decision,
    line: decisionLine,
    verdict: text,
    story: z.array(storyLine),
    wouldChange: z.array(text),
    session: z.array(decisionLine),
    report: report.optional(),
    mark: judgement.optional(),
    blocks: z.array(block),
    teachable: z.boolean(),
  }),
);

const LONGEST_MS = MAX_DAYS * 86_400_000;
const NO_REASON = 'wants a reason: you will read it in a month';
const reason = z.string(NO_REASON).trim().min(1, NO_REASON).max(MAX_REASON);
const lastsMs = z.int().min(60_000).max(LONGEST_MS).exactOptional();
const scope = z.enum(SCOPES);
const address = z.string().trim().min(1).max(320);

export const listRequest = schemaOf<ListRequest>()(
  z.strictObject({
    scope,
    recipientOnly: z.boolean().exactOptional(),
    recipient: address.exactOptional(),
    lastsMs,
    reason,
    dryRun: z.boolean().exactOptional(),
  }),
);

const listed = z.object({
  kind: z.enum(LISTED_KINDS),
  client: text.exactOptional(),
  host: text.exactOptional(),
  sender: text.exactOptional(),
  recipient: text.exactOptional(),
  lifts: z.array(text).exactOptional(),
  reason: text.exactOptional(),
  source: text,
  id: count,
  by: text,
  sinceMs: timeMs,
  endsMs: timeMs.optional(),
  decision: text.optional(),
});
export const addedEntry = schemaOf<AddedEntry>()(listed.extend({ notes: z.array(text) }));

export const listAnswer = schemaOf<ListAnswer>()(
  z.object({
    entry: text,
    listed: listed.optional(),
    alsoAffected: count,
    looked: count,
    examples: z.array(decisionLine),
    notLifted: z.array(text),
    notes: z.array(text),
  }),
);

export const markRequest = z.strictObject({ judgement: judgement.nullable() });
export const teachRequest = z.strictObject({ kind: z.enum(['spam', 'ham']) });
export const done = schemaOf<Taught>()(z.object({ text }));

const aReportLine = z.object({ report, decision: decisionLine.optional(), refusal: text.optional() });
export const reportLine = schemaOf<ReportLine>()(aReportLine);
export const reportList = schemaOf<ReportList>()(
  z.object({ reports: z.array(aReportLine), before: count.optional() }),
);

const NO_ANSWER = 'the sender reads it; write a sentence';

export const reportAnswer = schemaOf<ReportAnswer>()(
  z.strictObject({
    state: z.enum(['let-in', 'declined']),
    text: z.string(NO_ANSWER).trim().min(1, NO_ANSWER).max(MAX_REPORT_TEXT),
    scope: scope.exactOptional(),
    lastsMs,
  }),
);

export const lists = schemaOf<Lists>()(
  z.object({
    listed: z.array(listed),
    fromFiles: z.array(z.object({ kind: text, text, source: text, reason: text.optional() })),
    fromFilesInAll: count,
  }),
);

export const newEntry = schemaOf<NewEntry>()(
  z.strictObject({
    kind: z.enum(LISTED_KINDS),
    client: address.exactOptional(),
    host: address.exactOptional(),
    sender: address.exactOptional(),
    recipient: address.exactOptional(),
    lifts: z.array(z.string().min(1).max(60)).min(1).max(100).exactOptional(),
    reason,
    lastsMs,
  }),
);

export const greylistRows = schemaOf<GreylistRows>()(
  z.object({
    rows: z.array(
      z.object({
        client: text,
        sender: text,
        recipient: text,
        state: z.enum(['waiting', 'known', 'client-known']),
        sinceMs: timeMs,
        endsMs: timeMs,
      }),
    ),
    inAll: count,
  }),
);
export const greylistRow = z.strictObject({
  client: z.string().max(60),
  sender: z.string().max(600),
  recipient: z.string().max(600),
});

export const blockList = schemaOf<BlockList>()(z.object({ blocks: z.array(block) }));
export const newBlock = z.strictObject({
  network: z.string().trim().min(2).max(60),
  reason,
  lastsMs: z.int().min(60_000).max(LONGEST_MS),
});

export const effect = schemaOf<Effect>()(
  z.object({
    sinceMs: timeMs,
    untilMs: timeMs,
    checks: z.array(
      z.object({
        check: text,
        asked: count,
        failed: count,
        temperror: count,
        refused: count,
        deferred: count,
        alone: count,
        overlap: count,
        onGoodStanding: count,
        lookups: count,
        tookMs: count,
        summary: text,
        cost: text,
        reportedMistakes: count,
        safeToTurnOff: z.object({ safe: z.enum(['yes', 'no', 'unknown']), why: text }),
        points: z.array(z.object({ sinceMs: timeMs, stopped: count })),
      }),
    ),
  }),
);

export const MAX_CONFIG = 1_048_576;
export const whatIfRequest = schemaOf<WhatIfRequest>()(
  z.strictObject({ config: z.string().min(1).max(MAX_CONFIG), sinceMs: z.number().exactOptional() }),
);
export const job = z.object({ job: text });
const differences = z.array(z.object({ line: decisionLine, before: text, after: text }));
export const whatIf = schemaOf<WhatIf>()(
  z.object({
    state: z.enum(['running', 'done', 'failed']),
    looked: count,
    inAll: count,
    problems: z.array(text),
    newlyRefused: differences,
    newlyAccepted: differences,
    unknown: differences,
    counts: z.object({ same: count, newlyRefused: count, newlyAccepted: count, unknown: count }),
  }),
);

export const settings = schemaOf<Settings>()(
  z.object({
    file: text,
    text,
    policy: text,
    gatePolicy: text.optional(),
    warnings: z.array(text),
    checks: z.array(
      z.object({
        check: text,
        summary: text,
        stage: text,
        cost: text,
        state: z.enum(['on', 'off', 'cannot run']),
        why: text.optional(),
        settings: z.array(z.object({ key: text, value: text, from: text })),
      }),
    ),
  }),
);

export const queueHistory = schemaOf<QueueHistory>()(
  z.object({
    watched: z.boolean(),
    now: queueSample.optional(),
    samples: z.array(queueSample),
    alerts: z.array(z.object({ text, above: count, firing: z.boolean() })),
  }),
);

export const loginRequest = z.strictObject({
  user: z.string().min(1).max(100),
  password: z.string().min(1).max(1024),
});
