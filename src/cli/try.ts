/** `postern try`: what would happen to a client, and why (O9). Asks real DNS and the real backend, delivers nothing, keeps nothing. */
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Config } from '../config/config.ts';
import type { Decision } from '../core/decision.ts';
import type { Policy } from '../core/policy.ts';
import type { SessionFacts } from '../core/facts.ts';
import type { MessagePort, Ports, RecipientsPort } from '../core/ports.ts';
import { recipientOf } from '../core/recipient.ts';
import { replies } from '../core/replies.ts';
import { BackendTransaction } from '../doors/gateway/transaction.ts';
import { newId } from '../engine/id.ts';
import { Session } from '../engine/session.ts';
import { fields, headerEnd } from '../mail/header.ts';
import { canonicalAddress } from '../mail/ip.ts';
import type { Mailbox, ReversePath } from '../mail/mailbox.ts';
import { parseForwardPath, parseReversePath } from '../mail/path.ts';
import type { Reply } from '../mail/reply.ts';
import { jsonText } from '../adapters/harmless.ts';
import { painter } from '../adapters/paint.ts';
import { atTheDoor } from './at-the-door.ts';
import { CommandError, EX_NOINPUT } from './exit.ts';
import type { InForce } from './in-force.ts';
import { inPlainWords } from './plain-words.ts';
import { formatStory } from './story.ts';
import { openTrial } from './trial.ts';

export interface TryOptions {
  readonly client: string;
  readonly helo: string;
  readonly sender: string;
  readonly recipient: string;
  /** `-` is standard input. */
  readonly message?: string;
  readonly json?: boolean;
}

/** Exit codes: 0 let in, 1 refused, 64 bad use (EX_USAGE), 75 deferred (EX_TEMPFAIL). */
export async function tryCommand(
  config: Config,
  options: TryOptions,
  write: (text: string) => void,
): Promise<number> {
  const client = canonicalAddress(options.client);
  const sender = reversePath(options.sender);
  const recipient = forwardPath(options.recipient);
  if (client === undefined || sender === undefined || recipient === undefined) {
    const [what, got, example] =
      client === undefined
        ? ['--client', options.client, '192.0.2.7']
        : sender === undefined
          ? ['--sender', options.sender, 'someone@example.net, or <> for a bounce']
          : ['--recipient', options.recipient, 'user@example.org'];
    throw new CommandError(`${what} "${got}" cannot be understood; it wants something like ${example}`);
  }
  const { message: file } = options;
  const message =
    file === undefined
      ? undefined
      : await (file === '-' ? buffer(process.stdin) : readFile(file)).catch((error: unknown) => {
          throw new CommandError(`--message: ${inPlainWords(error, file)}`, EX_NOINPUT);
        });
  const { inForce, close } = openTrial(config, (event) => {
    if (event.kind === 'suspended' && options.json !== true)
      write(`${event.zone} is not believed: ${event.reason}\n`);
  });
  const { ports, backendFor } = inForce.settings;
  const door = doorOf(config);
  const policy = policyAt(door, inForce);
  await inForce.zones.start();
  try {
    const identity = { address: client, port: 25, heloName: options.helo, heloVerb: 'EHLO' } as const;
    const transaction = new BackendTransaction(
      { reversePath: sender, parameters: {} },
      () => Promise.resolve(identity),
      backendFor,
      () => false,
    );
    // Without a message nothing can be said of one.
    const checks = policy.checks.filter(
      ({ check }) => message !== undefined || check.stage !== 'endOfMessage',
    );
    const decision = await walk({
      policy: { ...policy, checks },
      ports: { ...ports, recipients: door === 'gateway' ? transaction : WILLING },
      door,
      client,
      helo: options.helo,
      sender,
      recipient,
      message: message === undefined ? undefined : asSent(message),
    });
    transaction.abort();
    const trial = {
      checks: checks.map(({ check }) => check.name),
      refuseAtSuspicion: policy.refuseAtSuspicion,
      door:
        door === 'gateway'
          ? await atTheDoor(inForce.settings, client)
          : 'the mail server lets it in, and asks',
    };
    const paint = painter(process.stdout);
    write(options.json === true ? `${jsonText(decision, 2)}\n` : formatStory(decision, paint, trial));
    return decision.outcome === 'refused' ? 1 : decision.outcome === 'deferred' ? 75 : 0;
  } finally {
    await close();
  }
}

/** The first that the file opens: what is no gateway's is tried as the mail server would ask it. */
function doorOf({ listen, services }: Config): Door {
  return listen.length > 0 ? 'gateway' : (services[0]?.door ?? 'gateway');
}

function policyAt(door: Door, { settings, milter, policyService }: InForce): Policy {
  const at = { gateway: settings, milter: milter.settings, policy: policyService.settings };
  return at[door].policy;
}

// Whom the mail server has a mailbox for only that itself knows.
export const WILLING: RecipientsPort = {
  ask: () => Promise.resolve({ kind: 'replied', reply: replies.recipientOk() }),
};

type Door = SessionFacts['door'];

export interface Walk {
  readonly policy: Policy;
  readonly ports: Ports;
  readonly door: Door;
  readonly client: string;
  readonly helo: string;
  readonly sender: ReversePath;
  readonly recipient: Mailbox;
  /** As it would come over the wire. */
  readonly message: Buffer | undefined;
}

/** Files end their lines as the system does; SMTP ends them with CRLF (RFC 5321 2.3.8). */
export const asSent = (file: Buffer): Buffer =>
  Buffer.from(file.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');

function messageOf(bytes: Buffer): MessagePort {
  const end = headerEnd(bytes, true) ?? bytes.length;
  const header = { bytes, end, fields: [...fields(bytes, end)] };
  return { header, content: { sizeOctets: bytes.length, chunks: () => [bytes] } };
}

/** One client's dialogue with all the gate's stages, up to the first verdict. */
export async function walk(w: Walk): Promise<Decision> {
  const session = new Session(
    { policy: w.policy, ports: w.ports, nowMs: Date.now, newId, trouble: () => undefined },
    { door: w.door, client: { address: w.client, port: 25 }, server: { address: '0.0.0.0', port: 25 } },
  );
  const end = (reply?: Reply): Decision => {
    const decision = session.ended(reply);
    if (decision === undefined) throw new Error('the session came to no decision');
    return decision;
  };
  for (const ask of [
    () => session.connect(),
    () => session.helo('EHLO', w.helo),
    () => session.mail(w.sender, {}),
  ]) {
    const verdict = await ask();
    if (verdict.kind !== 'go-on') return end(verdict.reply);
  }
  const recipient = recipientOf(w.recipient, w.policy.site, session.transactionFacts.startedAtMs);
  const verdict = await session.rcpt(recipient, {});
  if (verdict.kind === 'other-transaction') throw new Error('a single recipient cannot be split');
  const reply = verdict.kind === 'go-on' ? replies.recipientOk() : verdict.reply;
  session.recipientAnswered(recipient, reply);
  if (verdict.kind !== 'go-on') return end();
  const bytes = w.message ?? Buffer.alloc(0);
  const atEnd = await session.endOfMessage({ sizeOctets: bytes.length }, messageOf(bytes));
  return end(atEnd.kind === 'go-on' ? replies.delivered(session.id) : atEnd.reply);
}

// A bare address is what people type; the brackets are the protocol's.
const bracketed = (text: string): string => (text.startsWith('<') ? text : `<${text}>`);

function reversePath(text: string): ReversePath | undefined {
  const parsed = parseReversePath(bracketed(text));
  return parsed.kind === 'path' && parsed.rest === '' ? parsed.path : undefined;
}

function forwardPath(text: string): Mailbox | undefined {
  const parsed = parseForwardPath(bracketed(text));
  return parsed.kind === 'path' && parsed.rest === '' ? parsed.path : undefined;
}
