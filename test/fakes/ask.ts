import assert from 'node:assert/strict';
import { checkSchema } from '../../src/config/checks.ts';
import type { AnyCheck, Json } from '../../src/core/check.ts';
import type { Facts } from '../../src/core/facts.ts';
import type { Finding } from '../../src/core/finding.ts';
import { NO_CLUES, type Clues } from '../../src/core/clues.ts';
import { buildLists } from '../../src/core/lists.ts';
import type { MessagePort, Ports } from '../../src/core/ports.ts';
import { fields, headerEnd } from '../../src/mail/header.ts';
import type { Recipient } from '../../src/core/recipient.ts';
import type { CommonSettings } from '../../src/core/settings.ts';
import type { Site } from '../../src/core/site.ts';
import { NO_STANDING } from '../../src/core/standing.ts';
import type { MailParameters } from '../../src/mail/parameters.ts';
import { networkSet } from '../../src/mail/networks.ts';
import { fakeResolver } from './resolver.ts';

export const site: Site = {
  hostName: 'mx.example.org',
  domains: ['example.org', '.sub.example.org'],
  networks: networkSet(['10.0.0.0/8']),
  relays: networkSet([]),
  clientPrefix: { v4: 32, v6: 64 },
  addresses: ['198.51.100.25', '2001:db8:25::25'],
  contact: 'postmaster@example.org',
};

export interface Said {
  readonly client?: string;
  readonly helo?: string;
  /** `<>` is the null sender. */
  readonly from?: string;
  readonly to?: string | Recipient;
  /** Those let in before, as a check of the message has them all. */
  readonly recipients?: readonly (string | Recipient)[];
  readonly parameters?: MailParameters;
  /** As it came: CRLF lines. For checks of the message. */
  readonly message?: string | Buffer;
}

export function factsOf(said: Said): Facts {
  return {
    session: {
      id: 'K7Q2MX4D',
      door: 'gateway',
      startedAtMs: 0,
      client: { address: said.client ?? '192.0.2.7', port: 40_000 },
      server: { address: '198.51.100.25', port: 25 },
      ...(said.helo === undefined ? {} : { helo: { verb: 'EHLO', name: said.helo } }),
      violations: [],
    },
    ...(said.from === undefined
      ? {}
      : {
          transaction: {
            id: 'K7Q2MX4E',
            startedAtMs: 0,
            reversePath: said.from === '<>' ? null : mailboxOf(said.from),
            parameters: said.parameters ?? {},
            recipients: (said.recipients ?? []).map(mailboxOf),
          },
        }),
    ...(said.message === undefined ? {} : { message: { sizeOctets: messageOf(said.message).length } }),
    ...(said.to === undefined ? {} : { recipient: { mailbox: mailboxOf(said.to), parameters: {} } }),
  };
}

export interface Asked {
  readonly findings: readonly Finding[];
  readonly evidence: Json;
}

/**
 * Asks one check as the engine does, with settings as they come out of the configuration. Every finding must have one of
 * the check's codes, and evidence that went through the journal must give the same findings.
 */
export async function ask(
  check: AnyCheck,
  said: Said,
  ports: Partial<Ports> = {},
  settings: Record<string, unknown> = {},
  clues: Clues = NO_CLUES,
): Promise<Asked> {
  const facts = factsOf(said) as never;
  const parsed = checkSchema(check).parse(settings) as CommonSettings;
  const message = said.message === undefined ? undefined : messagePort(messageOf(said.message));
  const all: Ports = { ...emptyPorts(), ...(message === undefined ? {} : { message }), ...ports };
  const evidence =
    (await check.gather?.(facts, all, parsed, new AbortController().signal, site, clues)) ?? null;
  const findings = check.judge(facts, evidence, parsed, site);
  const journalled = JSON.parse(JSON.stringify(evidence)) as Json;
  assert.deepEqual(check.judge(facts, journalled, parsed, site), findings);
  assert.deepEqual(journalled, evidence);
  assert.ok(findings.length > 0);
  for (const { code, text, result, enhanced } of findings) {
    assert.ok(code in check.codes, `${check.name} makes ${code}, which is not among its codes`);
    assert.ok(
      text.length > 0 && text.length < 400 && !text.endsWith('.') && /^[\x20-\x7e]*$/.test(text),
      text,
    );
    if (result === 'fail') assert.match(enhanced ?? '', /^5\.\d+\.\d+$/);
  }
  return { findings, evidence };
}

export function emptyPorts(): Ports {
  return {
    dns: fakeResolver({}),
    store: { recall: () => undefined, remember: () => undefined, forget: () => undefined },
    greylist: { attempt: ({ delayMs }) => ({ kind: 'new', waitMs: delayMs }) },
    standing: { of: () => NO_STANDING, note: () => undefined },
    blocks: { covering: () => undefined, convict: () => assert.fail('nobody is convicted here') },
    rates: { add: () => 1, count: () => 0 },
    callout: { ask: async () => [] },
    lists: buildLists([]),
    zones: {
      suspended: () => undefined,
      suspend: () => undefined,
      silent: () => undefined,
      asking: () => () => undefined,
    },
    scanners: {},
    classifier: { recall: () => ({ trained: { ham: 0, spam: 0 }, seen: [] }) },
    recipients: { ask: async () => ({ kind: 'unreachable', reason: 'no backend' }) },
  };
}

const messageOf = (said: string | Buffer): Buffer =>
  typeof said === 'string' ? Buffer.from(said, 'utf8') : said;

/** A message as the gate has it at its end; in pieces of `pieceOctets`, for what must not care where they are cut. */
export function messagePort(bytes: Buffer, pieceOctets = 65_536): MessagePort {
  const end = headerEnd(bytes, true) ?? bytes.length;
  return {
    header: { bytes, end, fields: [...fields(bytes, end)] },
    content: {
      sizeOctets: bytes.length,
      *chunks() {
        for (let at = 0; at < bytes.length; at += pieceOctets) yield bytes.subarray(at, at + pieceOctets);
      },
    },
  };
}

function mailboxOf(text: string | Recipient): Recipient {
  if (typeof text !== 'string') return text;
  const at = text.lastIndexOf('@');
  return { local: text.slice(0, at), domain: text.slice(at + 1) };
}
