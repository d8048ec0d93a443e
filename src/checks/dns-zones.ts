/**
 * What the checks that ask DNS lists about an address or a name have in common: the settings of a zone, the questions, and what an
 * answer says. No check itself. Answers are strangers' bytes: they are compared with codes, and texts are cut and cleaned.
 */
import { z } from 'zod';
import { isDomainName } from '../mail/domain.ts';
import { parseIp, reversedLabels } from '../mail/ip.ts';
import { matchesCode, nonsenseIn, parseAnswerCode, type AnswerCode } from '../core/list-answers.ts';
import type { Again } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import type { Ports } from '../core/ports.ts';
import { flag } from '../core/settings.ts';

/** What a zone said about one client. Zones stand under the name that may be shown, for their own may hold an access key. */
export interface ZoneAnswer {
  readonly zone: string;
  readonly said: 'listed' | 'not-listed' | 'suspended' | 'no-answer' | 'not-asked';
  /** Only addresses in 127.0.0.0/8. */
  readonly answers: readonly string[];
  /** Why it is suspended, or what the list's TXT record says. */
  readonly text?: string;
}

export interface ZonesEvidence {
  readonly zones: readonly ZoneAnswer[];
}

export interface ZoneSettings {
  readonly zone: string;
  readonly weight: number;
  readonly codes: readonly AnswerCode[];
  readonly refusals: readonly AnswerCode[];
  readonly shown_as?: string | undefined;
  /** Of lists of addresses. */
  readonly v6?: boolean;
  /** Of lists of names: whose names it is asked about. */
  readonly of?: readonly string[];
  readonly ask_text: boolean;
  readonly self_test: boolean;
}

const MAX_ZONES = 64;
const MAX_CODES = 64;
const MAX_TEXT = 160;
// The 64 labels of a reversed IPv6 address and their dots stand before it.
const MAX_ZONE_NAME = 253 - 64;

interface WeightBounds {
  readonly byDefault: number;
  readonly min: number;
  readonly max: number;
}

/** Zones that list addresses. */
export function zoneList(weight: WeightBounds, refusals: readonly string[]) {
  return listOf(
    z.strictObject({
      ...zoneFields(weight, refusals),
      v6: flag(true, 'Whether it is asked about IPv6 clients.'),
    }),
  );
}

/** What every zone has. */
export function zoneFields(weight: WeightBounds, refusals: readonly string[]) {
  return {
    zone: z
      .string()
      .toLowerCase()
      .refine(
        (name) => name.length <= MAX_ZONE_NAME && isDomainName(name, { underscore: true }),
        'wants a domain name',
      )
      .meta({ description: 'The domain of the list.', example: '"zen.example"' }),
    weight: z
      .number()
      .min(weight.min)
      .max(weight.max)
      .default(weight.byDefault)
      .meta({ description: 'What a listing counts.', bounds: `${weight.min} to ${weight.max}` }),
    codes: answerCodes(['127.0.0.2'], 'Answers that are a listing.'),
    refusals: answerCodes(refusals, 'Answers by which this list says that it does not answer us.'),
    shown_as: z
      .string()
      .regex(/^[\w.-]{1,100}$/, 'wants a name of letters, digits, dots and hyphens')
      .optional()
      .meta({ description: 'Name in replies and logs, where the domain holds an access key.' }),
    ask_text: flag(false, "Whether a listing's TXT record is fetched and quoted in the reply."),
    self_test: flag(true, 'Whether the list has the test points of RFC 5782.'),
  };
}

export function listOf<Z extends z.ZodType<Pick<ZoneSettings, 'zone' | 'shown_as'>>>(zone: Z) {
  return z
    .array(zone)
    .max(MAX_ZONES)
    .default([])
    .superRefine((zones, ctx) => {
      // Two keys of one provider under one name would be one zone in the evidence.
      const zoneOf = new Map<string, string>();
      for (const [i, { zone: name, shown_as: shown = name }] of zones.entries()) {
        const other = zoneOf.get(shown);
        if (other !== undefined && other !== name) {
          ctx.addIssue({
            code: 'custom',
            path: [i],
            message: `is shown as ${shown}, and so is another zone`,
          });
        }
        zoneOf.set(shown, name);
      }
    })
    .meta({
      description: 'The lists, one table each. One zone may stand in several, with other codes and weights.',
    });
}

function answerCodes(byDefault: readonly string[], sentence: string) {
  const code = z.string().transform((text, ctx): AnswerCode => {
    const parsed = parseAnswerCode(text);
    if (typeof parsed !== 'string') return parsed;
    ctx.addIssue({ code: 'custom', message: parsed });
    return z.NEVER;
  });
  return z
    .array(code)
    .max(MAX_CODES)
    .prefault([...byDefault])
    .meta({ description: sentence, default: JSON.stringify(byDefault) });
}

export const shownName = (zone: ZoneSettings): string => zone.shown_as ?? zone.zone;

/** Asks every zone once, all at the same time. */
export async function askZones(
  zones: readonly ZoneSettings[],
  client: string,
  ports: Pick<Ports, 'dns' | 'zones'>,
  signal: AbortSignal,
): Promise<ZonesEvidence> {
  const byZone = Map.groupBy(zones, (zone) => zone.zone);
  const ip = parseIp(client);
  const asking = [...byZone.values()].map(async (entries) =>
    ip === undefined || (ip.family === 6 && !entries.some((e) => e.v6 === true))
      ? notAsked(entries)
      : askZone(entries, reversedLabels(ip), ports, signal),
  );
  return { zones: await Promise.all(asking) };
}

const notAsked = ([first]: readonly ZoneSettings[]): ZoneAnswer => ({
  zone: first === undefined ? '' : shownName(first),
  said: 'not-asked',
  answers: [],
});

/** `entries`: the tables of one zone. `labels`: what stands before it in the question. */
export async function askZone(
  entries: readonly ZoneSettings[],
  labels: string,
  ports: Pick<Ports, 'dns' | 'zones'>,
  signal: AbortSignal,
): Promise<ZoneAnswer> {
  const [first] = entries;
  if (first === undefined) return notAsked(entries);
  const { zone } = first;
  const shown = shownName(first);
  const suspended = ports.zones.suspended(zone);
  if (suspended !== undefined) return { zone: shown, said: 'suspended', answers: [], text: suspended };
  // Temporary trouble all the same (P3), but nobody is kept waiting for it.
  const silent = ports.zones.silent(zone);
  if (silent !== undefined) return { zone: shown, said: 'no-answer', answers: [], text: silent };
  const name = `${labels}.${zone}`;
  const heard = ports.zones.asking(zone);
  const answer = await ports.dns.resolve(name, 'A', signal);
  // A client that leaves must not make a list look dead.
  if (!signal.aborted) heard(answer.kind !== 'timeout' && answer.kind !== 'servfail');
  if (answer.kind === 'nxdomain' || answer.kind === 'no-data')
    return { zone: shown, said: 'not-listed', answers: [] };
  if (answer.kind !== 'found')
    return { zone: shown, said: 'no-answer', answers: [], text: troubleOf(answer) };
  const nonsense = nonsenseIn(
    answer.records,
    entries.flatMap((e) => e.refusals),
  );
  if (nonsense !== undefined) {
    ports.zones.suspend(zone, nonsense);
    return { zone: shown, said: 'suspended', answers: [], text: nonsense };
  }
  const text = entries.some((e) => e.ask_text && codesMatch(e, answer.records))
    ? await askText(name, zone, shown, ports, signal)
    : undefined;
  return { zone: shown, said: 'listed', answers: answer.records, ...(text === undefined ? {} : { text }) };
}

/** Missing text is no trouble: the listing stands without it. */
async function askText(
  name: string,
  zone: string,
  shown: string,
  ports: Pick<Ports, 'dns'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const answer = await ports.dns.resolve(name, 'TXT', signal);
  if (answer.kind !== 'found') return undefined;
  const clean = (answer.records[0] ?? '').replace(/[^\x20-\x7e]/g, '?').replaceAll(zone, shown);
  return clean.slice(0, MAX_TEXT).replace(/[\s.]+$/, '');
}

function troubleOf(
  answer: { readonly kind: 'timeout' } | { readonly kind: 'servfail'; readonly reason: string },
): string {
  return answer.kind === 'timeout' ? 'no answer in time' : answer.reason;
}

const codesMatch = (entry: ZoneSettings, answers: readonly string[]): boolean =>
  answers.some((answer) => entry.codes.some((code) => matchesCode(code, answer)));

/** What one table's zone says in the evidence, by this table's own codes. */
export function readAnswer(evidence: ZonesEvidence, entry: ZoneSettings): ZoneAnswer {
  const shown = shownName(entry);
  const found = evidence.zones.find((answer) => answer.zone === shown);
  if (found === undefined) return { zone: shown, said: 'not-asked', answers: [] };
  if (found.said !== 'listed') return found;
  const answers = found.answers.filter((answer) => entry.codes.some((code) => matchesCode(code, answer)));
  return answers.length === 0 ? { zone: shown, said: 'not-listed', answers: [] } : { ...found, answers };
}

/** What other lists would have come to (see `Check.again`): some may not have been asked about this client then. */
export function zonesAgain(
  evidence: ZonesEvidence,
  zones: readonly ZoneSettings[],
  client: string,
): Again<ZonesEvidence> {
  const v6 = client.includes(':');
  const wanted = zones.filter((zone) => !v6 || zone.v6 === true);
  return { evidence, unasked: wanted.some((zone) => readAnswer(evidence, zone).said === 'not-asked') };
}

/** What a check finds where a list gave no answer to go by; its codes are named so in all checks that ask lists. */
export function unasked(
  zone: ZoneSettings,
  said: 'no-answer' | 'suspended' | 'not-asked',
  why = '',
): Finding {
  const name = shownName(zone);
  switch (said) {
    case 'no-answer':
      return {
        result: 'temperror',
        code: 'temperror',
        text: `the list ${name} did not answer: ${why}`,
        enhanced: '5.4.3',
      };
    case 'suspended':
      return { result: 'none', code: 'suspended', text: `the list ${name} is not asked: it ${why}` };
    case 'not-asked':
      return { result: 'none', code: 'not-asked', text: `the list ${name} was not asked` };
    default:
      return said satisfies never;
  }
}

/** The zones as whoever watches their health wants them (`adapters/dns/zone-health.ts`). */
export function watchedZones(zones: readonly ZoneSettings[]) {
  return [...Map.groupBy(zones, (zone) => zone.zone)].map(([zone, entries]) => ({
    zone,
    shownAs: entries[0] === undefined ? zone : shownName(entries[0]),
    lists: entries.some((e) => e.of !== undefined) ? ('names' as const) : ('addresses' as const),
    refusals: entries.flatMap((e) => e.refusals),
    selfTest: entries.every((e) => e.self_test),
  }));
}
