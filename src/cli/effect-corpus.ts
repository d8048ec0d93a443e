/**
 * Folders of messages through the checks as they are set: each as it would be judged if it came now, from the client, with the greeting and
 * the sender that its trace fields name. Everything is asked once, with nothing refused, and then judged again with each check alone.
 */
import type { Config } from '../config/config.ts';
import type { ConfiguredCheck, Policy } from '../core/policy.ts';
import type { DnsPort } from '../core/ports.ts';
import type { Action } from '../core/settings.ts';
import type { Site } from '../core/site.ts';
import { Alone } from '../engine/alone.ts';
import { fields, fieldValue, headerEnd, type Field } from '../mail/header.ts';
import { addressScope, parseIp } from '../mail/ip.ts';
import type { ReversePath } from '../mail/mailbox.ts';
import { parseReversePath } from '../mail/path.ts';
import { MAX_HOPS, parseReceived } from '../mail/trace.ts';
import type { EffectResult } from './effect.ts';
import { EffectTable, type Kind } from './effect-table.ts';
import { policyOf } from './in-force.ts';
import { mailFiles, messagesOf } from './mailboxes.ts';
import { Progress, type ProgressOutput } from './progress.ts';
import { openTrial } from './trial.ts';
import { asSent, walk, WILLING } from './try.ts';

/** A folder does not tell of them: what they hang on is this very moment, a mailbox here, or how the client behaved. */
const NOT_FROM_FOLDERS: readonly string[] = [
  'short-term-block',
  'dictionary-attack',
  'greylist',
  'greylist-null',
  'honeypot',
  'early-talker',
  'pipelining',
  'relay',
  'recipient-list',
  'recipients',
  'named-recipient',
  'bounce-tag',
  'fake-bounce',
  // Strangers' servers are not to be asked about mail of long ago.
  'callout',
];
/** They ask DNS though they stand on other rungs. */
const ASK_DNS: readonly string[] = ['dkim', 'arc', 'dmarc'];
const SILENT_DNS: DnsPort = { resolve: () => Promise.resolve({ kind: 'timeout' }) };
// TEST-NET-1 (RFC 5737): nobody.
const NOBODY = '192.0.2.1';
const HOUR_MS = 3_600_000;

export async function effectOfCorpus(
  config: Config,
  { ham, spam, dns }: { readonly ham: string; readonly spam: string; readonly dns: boolean },
  output: ProgressOutput,
  signal: AbortSignal,
): Promise<EffectResult> {
  const folders = [
    ['wanted', await mailFiles([ham])],
    ['unwanted', await mailFiles([spam])],
  ] as const;
  const { inForce, close } = openTrial(config);
  const whole = policyOf(config);
  const isTold = ({ check }: ConfiguredCheck): boolean => !NOT_FROM_FOLDERS.includes(check.name);
  const isAnswered = ({ check: { cost, name } }: ConfiguredCheck): boolean =>
    dns || !(cost === 'dns' || cost === 'dns-chain' || ASK_DNS.includes(name));
  const policy: Policy = { ...whole, checks: whole.checks.filter((c) => isTold(c) && isAnswered(c)) };
  const table = new EffectTable(policy.checks.map(({ check }) => check.name));
  // Where no field names a client, nothing can be said but of the message.
  const content = { ...policy, checks: policy.checks.filter(({ check }) => check.stage === 'endOfMessage') };
  const judging = (its: Policy) => ({ asked: observed(its), alone: new Alone(its) });
  const [ofAll, ofContent] = [judging(policy), judging(content)];
  const ports = {
    ...inForce.settings.ports,
    recipients: WILLING,
    ...(dns ? {} : { dns: SILENT_DNS }),
  };
  const octets = folders.flatMap(([, files]) => files).reduce((sum, file) => sum + file.octets, 0);
  const progress = new Progress(octets, output);
  let [done, passedOver, nameless] = [0, 0, 0];
  let [firstMs, lastMs] = [Infinity, -Infinity];
  if (dns) await inForce.zones.start();
  try {
    for (const [kind, files] of folders)
      for (const file of files) {
        for await (const { message, octets } of messagesOf(file)) {
          if (signal.aborted) break;
          progress.add(octets, () => `${done} messages`);
          if (message === undefined || message.length === 0) {
            passedOver++;
            continue;
          }
          await judge(message, kind);
        }
        if (signal.aborted) break;
      }
    progress.end();
  } finally {
    await close();
  }
  return {
    table,
    hours: lastMs > firstMs ? Math.max(1, (lastMs - firstMs) / HOUR_MS) : 1,
    notes: [
      `${table.count('wanted')} wanted messages of ${ham}, ${table.count('unwanted')} unwanted of ${spam}; ${nameless} of them with no client in their trace fields (there only the message itself was judged)${passedOver === 0 ? '' : `; ${passedOver} empty or too long`}.`,
      lastMs > firstMs
        ? `By the hour: between the oldest and the newest of them lie ${Math.round((lastMs - firstMs) / HOUR_MS)} hours.`
        : 'By the hour: their dates tell nothing, so all stand for one hour.',
      dns
        ? 'DNS was asked as it is now: of old mail, lists, SPF records and keys of that day are gone.'
        : `DNS was not asked, and without it nothing is known of ${namesOf(whole.checks.filter((c) => isTold(c) && !isAnswered(c)))}.`,
      `A folder does not tell what these would have said: ${namesOf(whole.checks.filter((c) => !isTold(c)))}.`,
    ],
  };

  async function judge(file: Buffer, kind: Kind): Promise<void> {
    const came = arrivalOf(asSent(file), config.site);
    if (came.atMs !== undefined) {
      firstMs = Math.min(firstMs, came.atMs);
      lastMs = Math.max(lastMs, came.atMs);
    }
    if (came.client === undefined) nameless++;
    const by = came.client === undefined ? ofContent : ofAll;
    const decision = await walk({
      policy: by.asked,
      ports,
      door: 'gateway',
      client: came.client ?? NOBODY,
      helo: came.helo,
      sender: came.sender,
      recipient: { local: 'somebody', domain: domainOf(config.site) },
      message: came.octets,
    });
    done++;
    table.add(kind, await by.alone.passages(decision), await by.alone.together(decision));
  }
}

/** Everything is asked, and nothing follows from it. */
function observed(policy: Policy): Policy {
  return {
    ...policy,
    refuseAtSuspicion: Infinity,
    hash: `${policy.hash} observed`,
    checks: policy.checks.map(({ check, settings }) => {
      const watched = (action: Action): Action => (action === 'off' ? 'off' : 'observe');
      const actions: Record<string, Action> = {};
      for (const [code, action] of Object.entries(settings.actions)) actions[code] = watched(action);
      const on_fail = watched(settings.on_fail);
      return {
        check,
        settings: { ...settings, on_fail, on_temperror: 'go-on', refuse_at: 'rcpt', actions },
      };
    }),
  };
}

const namesOf = (checks: readonly ConfiguredCheck[]): string =>
  checks.length === 0 ? 'no check' : checks.map(({ check }) => check.name).join(', ');

const domainOf = ({ domains, hostName }: Site): string => (domains[0] ?? hostName).replace(/^\./, '');

interface Arrival {
  readonly client: string | undefined;
  readonly helo: string;
  readonly sender: ReversePath;
  readonly atMs: number | undefined;
  /** As the client sent it: without what our side put on top. */
  readonly octets: Buffer;
}

/** The newest hop whose client is a stranger with a public address handed it over; what stands above is our side's own. */
export function arrivalOf(bytes: Buffer, { networks, relays }: Pick<Site, 'networks' | 'relays'>): Arrival {
  const end = headerEnd(bytes, true) ?? bytes.length;
  const all = [...fields(bytes, end)];
  const sender = senderOf(bytes, all);
  let seen = 0;
  for (const field of all) {
    if (field.name.toLowerCase() !== 'received' || ++seen > MAX_HOPS) continue;
    const hop = parseReceived(fieldValue(bytes, field));
    // It was fetched from a mailbox, or written in a browser: nobody's SMTP client.
    if (hop?.address === undefined || /^(?:imap|pop3|http)/i.test(hop.protocol ?? '')) continue;
    const ip = parseIp(hop.address);
    if (ip === undefined || addressScope(ip) !== 'public') continue;
    if (networks.has(hop.address) || relays.has(hop.address)) continue;
    return {
      client: hop.address,
      helo: hop.helo ?? hop.reverseName ?? `[${hop.address}]`,
      sender,
      atMs: hop.dateMs,
      octets: bytes.subarray(field.end),
    };
  }
  return { client: undefined, helo: 'localhost', sender, atMs: undefined, octets: bytes };
}

/** Return-Path is what was said at MAIL (RFC 5321 4.4); where nobody wrote it down, the author's address stands in for it. */
function senderOf(bytes: Buffer, all: readonly Field[]): ReversePath {
  for (const wanted of ['return-path', 'from']) {
    const field = all.find(({ name }) => name.toLowerCase() === wanted);
    if (field === undefined) continue;
    const value = fieldValue(bytes, field).trim();
    if (wanted === 'return-path' && value === '<>') return null;
    const address =
      /<([^<>\s]{1,320})>/.exec(value.slice(0, 2000))?.[1] ?? value.slice(0, 320).split(/\s/)[0];
    const parsed = parseReversePath(`<${address ?? ''}>`);
    if (parsed.kind === 'path' && parsed.path !== null && parsed.rest === '') return parsed.path;
  }
  return null;
}
