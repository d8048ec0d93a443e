import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { FactsAt } from '../core/facts.ts';
import type { Finding } from '../core/finding.ts';
import { count, flag } from '../core/settings.ts';
import { isFqdn, organizationalDomain } from '../mail/domain.ts';
import { confirmedNames, iprev } from '../msgauth/iprev.ts';
import {
  askZone,
  listOf,
  readAnswer,
  shownName,
  unasked,
  zoneFields,
  type ZoneAnswer,
  type ZoneSettings,
} from './dns-zones.ts';

const ROLES = ['sender', 'helo', 'reverse'] as const;
type Role = (typeof ROLES)[number];

const ROLE_NAMES: Readonly<Record<Role, string>> = {
  sender: 'sender domain',
  helo: 'HELO name',
  reverse: 'reverse name',
};

interface NameZone extends ZoneSettings {
  readonly of: readonly Role[];
  readonly registered: boolean;
}

interface Evidence {
  /** The client's confirmed reverse name, where a zone wants it; null where it has none. */
  readonly reverse?: string | null;
  readonly answers: readonly (ZoneAnswer & { readonly name: string })[];
}

const zone = z.strictObject({
  ...zoneFields({ byDefault: 4, min: 0, max: 1000 }, []),
  of: z
    .array(z.enum(ROLES))
    .min(1)
    .default([...ROLES])
    .meta({ description: 'Whose names it is asked about: `sender`, `helo`, `reverse`.' }),
  registered: flag(false, 'Whether it is asked about the registered domain instead of the whole name.'),
});

/** E3: DNS lists of domain names. */
export const rhsbl = defineCheck({
  name: 'rhsbl',
  summary:
    "Asks DNS lists of domains about the sender's domain, the HELO name and the client's reverse name.",
  stage: 'mail',
  cost: 'dns-chain',
  codes: {
    listed: 'Listed, and the weights of all lists that name one of the names reach `refuse_at_weight`.',
    suspected: 'Listed, but the weights do not reach `refuse_at_weight`.',
    'not-listed': 'No list names any of the names.',
    suspended: 'The list answers nonsense, is not asked now, and the operator has been told.',
    'not-asked': 'The list was not asked: there was no name for it.',
    temperror: 'The list did not answer.',
  },
  settings: z.object({
    zones: listOf(zone),
    refuse_at_weight: count(8, 1, 1000, 'The sum of weights from which a listing is a refusal.'),
  }),
  defaults: {
    on_fail: 'refuse',
    on_temperror: 'go-on',
    weight: 4,
    refuse_at: 'rcpt',
    actions: { suspected: 'suspect' },
  },
  lifted: 'by-any',
  idle: ({ zones }) => (zones.length === 0 ? 'no zones are configured' : undefined),
  gather: async (facts, ports, { zones }, signal): Promise<Evidence> => {
    const reverse = zones.some(({ of }) => of.includes('reverse'))
      ? (confirmedNames(await iprev(ports.dns, facts.session.client.address, signal))[0] ?? null)
      : undefined;
    // A sender's domain is often the HELO name's too: one question for both, whichever tables want it.
    const questions = new Map<string, { readonly name: string; readonly entries: NameZone[] }>();
    for (const entry of zones) {
      for (const { name } of namesFor(entry, facts, reverse)) {
        const key = `${name} ${entry.zone}`;
        const question = questions.get(key);
        if (question === undefined) questions.set(key, { name, entries: [entry] });
        else if (!question.entries.includes(entry)) question.entries.push(entry);
      }
    }
    const answers = await Promise.all(
      [...questions.values()].map(async ({ name, entries }) => ({
        name,
        ...(await askZone(entries, name, ports, signal)),
      })),
    );
    return { ...(reverse === undefined ? {} : { reverse }), answers };
  },
  again: (evidence, facts, { zones }) => {
    const { reverse, answers } = evidence;
    // Without a list that wanted it the client's name was not looked up.
    const unnamed = reverse === undefined && zones.some(({ of }) => of.includes('reverse'));
    const all = zones.every((entry) =>
      namesFor(entry, facts, reverse).every(({ name }) =>
        answers.some((answer) => answer.name === name && answer.zone === shownName(entry)),
      ),
    );
    return { evidence, unasked: unnamed || !all };
  },
  judge: (facts, { reverse, answers }, { zones, refuse_at_weight }): readonly Finding[] => {
    const said = zones.map((entry) => {
      const names = namesFor(entry, facts, reverse).map(({ role, name }) => ({
        role,
        name,
        answer: readAnswer({ zones: answers.filter((answer) => answer.name === name) }, entry),
      }));
      // Two listed names of one sender are one reason: a table counts once.
      return { entry, names, listed: names.find(({ answer }) => answer.said === 'listed') };
    });
    const sum = said.reduce(
      (total, { entry, listed }) => total + (listed === undefined ? 0 : entry.weight),
      0,
    );
    const code = sum >= refuse_at_weight ? 'listed' : 'suspected';
    const findings: Finding[] = said.flatMap(({ entry, listed }) => {
      if (listed === undefined) return [];
      const { role, name, answer } = listed;
      const reason = answer.text === undefined ? '' : `: ${answer.text}`;
      const shown = name.length > MAX_SHOWN_NAME ? `...${name.slice(-MAX_SHOWN_NAME)}` : name;
      const text = `${ROLE_NAMES[role]} ${shown} is listed by ${shownName(entry)} (${answer.answers.slice(0, 4).join(', ')})${reason}`;
      return [
        { result: 'fail', code, text, enhanced: '5.7.1', replyCode: 554, weight: entry.weight },
      ] satisfies Finding[];
    });
    // A zone has one health, however many tables and names it was asked for.
    const ill = new Map<string, Finding>();
    for (const { entry, names } of said) {
      for (const { answer } of names) {
        if (answer.said === 'no-answer' || answer.said === 'suspended') {
          ill.set(shownName(entry), unasked(entry, answer.said, answer.text));
        }
      }
      if (names.length === 0 && zones.every((z) => z.zone !== entry.zone || z === entry)) {
        ill.set(shownName(entry), unasked(entry, 'not-asked'));
      }
    }
    findings.push(...ill.values());
    if (findings.length > 0) return findings;
    return [{ result: 'pass', code: 'not-listed', text: 'no list names the sender or the client' }];
  },
});

// The reply holds 512 octets.
const MAX_SHOWN_NAME = 80;

/** Only names that DNS lists of domains know: no address literals, no bare addresses, nothing without a dot. */
function namesFor(
  entry: NameZone,
  { session, transaction }: FactsAt<'mail'>,
  reverse: string | null | undefined,
): readonly { readonly role: Role; readonly name: string }[] {
  const said: Readonly<Record<Role, string | null | undefined>> = {
    sender: transaction.reversePath?.domain,
    helo: session.helo?.name,
    reverse,
  };
  return entry.of.flatMap((role) => {
    const name = said[role]?.toLowerCase().replace(/\.$/, '');
    if (name === undefined || !isFqdn(name, { underscore: true })) return [];
    return [{ role, name: entry.registered ? organizationalDomain(name) : name }];
  });
}
