import { getDomain } from 'tldts';
import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import { isDomainName } from '../mail/domain.ts';
import { formatIp, parseIp, reversedLabels, type Ip } from '../mail/ip.ts';
import { confirmedNames, iprev, isIprevOpen, type Iprev } from '../msgauth/iprev.ts';
import { RULES, type RdnsRule } from './generic-rdns.rules.ts';

const MAX_SPARED = 1000;

/** C10: the client's reverse name is one that a provider gives to a whole pool. */
export const genericRdns = defineCheck({
  name: 'generic-rdns',
  summary: "Looks whether the client's reverse name is one of a pool or an access line, not a mail server's.",
  stage: 'connect',
  cost: 'dns-chain',
  codes: {
    ok: 'It has a name of its own.',
    generic: 'All its names are generic.',
    'no-name': 'It has no reverse name; see `fcrdns`.',
    temperror: 'DNS did not answer.',
  },
  settings: z.object({
    spared: z
      .array(
        z
          .string()
          .toLowerCase()
          .refine((name) => isDomainName(name, { underscore: true }), 'wants a domain name'),
      )
      .max(MAX_SPARED)
      .prefault([])
      .meta({
        description: 'Domains whose hosts are spared whatever they are called.',
        example: '["provider.example"]',
        default: '[]',
      }),
  }),
  defaults: { on_fail: 'suspect', on_temperror: 'go-on', weight: 3, refuse_at: 'rcpt' },
  lifted: 'by-any',
  gather: ({ session }, ports, _settings, signal): Promise<Iprev> =>
    iprev(ports.dns, session.client.address, signal),
  judge: ({ session }, found, { spared }) => {
    const { address } = session.client;
    const confirmed = confirmedNames(found);
    // A name that does not lead back may be borrowed, yet it is all there is: a generic one convicts, a good one says little.
    const names = confirmed.length > 0 ? confirmed : found.names.map((n) => n.name);
    if (names.length === 0) {
      if (!isIprevOpen(found)) {
        return [{ result: 'none', code: 'no-name', text: `${address} has no reverse DNS` }];
      }
      const text = `the reverse DNS of ${address} could not be looked up`;
      return [{ result: 'temperror', code: 'temperror', text, enhanced: '5.4.3' }];
    }
    const judged = names.map((name) => ({ name, rule: ruleFor(name, address, spared) }));
    const own = judged.find(({ rule }) => rule?.kind !== 'generic');
    if (own !== undefined) {
      return [{ result: 'pass', code: 'ok', text: `${own.name} is a name of its own` }];
    }
    const [first] = judged;
    const text = `${first?.name ?? ''} is a generic name, not a mail server's (${first?.rule?.name ?? ''})`;
    return [{ result: 'fail', code: 'generic', text, enhanced: '5.7.25' }];
  },
});

/** The first rule that matches, or undefined where none does or the name is spared. */
export function ruleFor(name: string, client: string, spared: readonly string[] = []): RdnsRule | undefined {
  if (spared.some((domain) => name === domain || name.endsWith(`.${domain}`))) return undefined;
  const labels = labelsBelow(name);
  return labels === '' ? undefined : RULES.find((rule) => matches(rule, labels, client));
}

export function matches(rule: RdnsRule, labels: string, client: string): boolean {
  if (rule.pattern !== undefined) return rule.pattern.test(labels);
  const ip = parseIp(client);
  return ip !== undefined && carriesAddress(labels, ip);
}

/**
 * The labels below the domain that somebody registered. The private part of the Public Suffix List does not count here: clouds
 * have the domains of their machines in it (`ec2-192-0-2-7.compute-1.amazonaws.com`).
 */
export function labelsBelow(name: string): string {
  const domain = getDomain(name, {
    allowPrivateDomains: false,
    extractHostname: false,
    validateHostname: false,
  });
  return domain === null || domain === name ? '' : name.slice(0, -domain.length - 1);
}

function carriesAddress(labels: string, ip: Ip): boolean {
  const squeezed = labels.replace(/[._-]/g, '');
  if (ip.family === 6) {
    const backwards = reversedLabels(ip).replaceAll('.', '');
    if (squeezed.includes(backwards) || squeezed.includes(reversed(backwards))) return true;
    const whole = ip.words.flatMap((w) => [w >>> 16, w & 0xffff]).map((group) => group.toString(16));
    // With `-` for `:`, written out or with its zeros left out.
    return [whole.join('-'), formatIp(ip).replaceAll(':', '-')].some((text) => standsIn(labels, text));
  }
  const octets = reversedLabels(ip).split('.').reverse().map(Number);
  const written = (radix: number, digits: number) =>
    octets.map((octet) => octet.toString(radix).padStart(digits, '0'));
  for (const parts of [written(16, 2), written(10, 3)]) {
    if (squeezed.includes(parts.join('')) || squeezed.includes(parts.toReversed().join(''))) return true;
  }
  const word = String(ip.words[0] ?? 0);
  if (labels.split(/[^0-9]/).includes(word)) return true;
  // Numbers with one separator between: all four octets, or the last three, forwards or backwards.
  const wanted = [octets, octets.toReversed(), octets.slice(1), octets.slice(1).toReversed()];
  for (const numbers of numberRows(labels)) {
    if (wanted.some((row) => hasRow(numbers, row))) return true;
  }
  return false;
}

/** `dsl-192-0-2-7.pool3` has the rows 192, 0, 2, 7 and 3. */
function numberRows(labels: string): number[][] {
  const rows: number[][] = [];
  let end = -2;
  for (const { 0: digits, index } of labels.matchAll(/[0-9]{1,253}/g)) {
    const number = digits.length > 3 ? Number.NaN : Number(digits);
    const joined = index === end + 1 && '.-_'.includes(labels.charAt(end));
    if (joined) rows.at(-1)?.push(number);
    else rows.push([number]);
    end = index + digits.length;
  }
  return rows;
}

const hasRow = (numbers: readonly number[], row: readonly number[]): boolean =>
  numbers.some((_, i) => row.every((number, j) => numbers[i + j] === number));

/** Not as part of a longer number. */
function standsIn(labels: string, text: string): boolean {
  const at = labels.indexOf(text);
  const isHex = (char: string) => /^[0-9a-f]$/.test(char);
  return at !== -1 && !isHex(labels.charAt(at - 1)) && !isHex(labels.charAt(at + text.length));
}

const reversed = (text: string): string => Array.from(text).reverse().join('');
