import { z } from 'zod';
import type { Clues } from '../core/clues.ts';
import type { FactsAt } from '../core/facts.ts';
import type { Finding } from '../core/finding.ts';
import type { Ports } from '../core/ports.ts';
import type { ScanFailure, Scanner, ScannerAddress, ScannerSettings } from '../core/scanners.ts';
import { count, duration, size } from '../core/settings.ts';
import type { Site } from '../core/site.ts';

/*
 * What the checks that ask a scanner (M7) have in common: how it is reached and how much of it is asked, and what becomes of a message
 * that it gives no verdict on.
 */

const WANTS = 'an address with its port, or the path of a socket';

/** `127.0.0.1:3310`, `[::1]:3310`, `clamd.example.org:3310`, `/run/clamav/clamd.ctl`. */
export function readScannerAddress(text: string): ScannerAddress | undefined {
  // sun_path holds 108 octets with the NUL behind (unix(7)).
  if (text.startsWith('/'))
    return Buffer.byteLength(text) < 108 && !text.includes('\0') ? { kind: 'unix', path: text } : undefined;
  const peer = /^(?:\[([\da-f:.]{2,45})\]|([\w.-]{1,253})):(\d{1,5})$/i.exec(text);
  if (peer === null) return undefined;
  const host = (peer[1] ?? peer[2] ?? '').toLowerCase();
  const port = Number(peer[3]);
  return port >= 1 && port <= 65_535 ? { kind: 'tcp', host, port } : undefined;
}

export function scannerSettings(example: string, maxSize = '25MiB') {
  return {
    address: z
      .string()
      .transform((text, ctx): ScannerAddress => {
        const address = readScannerAddress(text);
        if (address !== undefined) return address;
        ctx.addIssue({ code: 'custom', message: `wants ${WANTS}, such as "${example}"` });
        return z.NEVER;
      })
      .optional()
      .meta({
        description: 'Where it listens; without it nothing is scanned.',
        wants: WANTS,
        example,
      }),
    max_size: size(maxSize, '1KiB', '1GiB', 'A larger message is not scanned: `too-large`.'),
    at_once: count(4, 1, 1000, 'Messages that it is given at one time.'),
    max_waiting: count(100, 0, 100_000, 'Messages that wait for their turn; what comes beyond is deferred.'),
    wait: duration('10s', '0s', '5m', 'How long a message waits for its turn before it is deferred.'),
    timeout: duration('60s', '1s', '10m', 'How long one scan may take, from its turn to the verdict.'),
  };
}

export interface Scanning {
  readonly address?: ScannerAddress | undefined;
  readonly max_size: number;
  readonly at_once: number;
  readonly max_waiting: number;
  readonly wait: number;
  readonly timeout: number;
}

/** For the adapter; undefined where no address is configured. */
export function scannerSettingsOf(said: Scanning): ScannerSettings | undefined {
  const { address, at_once, max_waiting, wait, timeout } = said;
  if (address === undefined) return undefined;
  return { address, atOnce: at_once, maxWaiting: max_waiting, waitMs: wait, timeoutMs: timeout };
}

export const idleWithout = ({ address }: Scanning): string | undefined =>
  address === undefined ? 'no address is configured' : undefined;

/** Findings that each of these checks can make. */
export const SCANNING_CODES = {
  'too-large': 'The message is larger than what is scanned.',
  temperror: 'The scanner did not answer, or failed.',
  busy: 'The scanner was busy for too long.',
  'no-message': 'There is no message to scan: this is a trial.',
} as const;

/** Nobody has seen into it: it goes on, but not without a word. */
export const SCANNING_ACTIONS = { 'too-large': 'tag' } as const;

export type Unscanned = ScanFailure | { readonly kind: 'no-message' };

export async function scan<Verdict>(
  scanner: Scanner<Verdict> | undefined,
  { session, transaction, message }: FactsAt<'endOfMessage'>,
  ports: Ports,
  { max_size }: Scanning,
  signal: AbortSignal,
  site: Site,
  clues: Clues,
): Promise<Verdict | Unscanned> {
  if (ports.message === undefined) return { kind: 'no-message' };
  if (message.sizeOctets > max_size) return { kind: 'too-large' };
  if (scanner === undefined) return { kind: 'failed', reason: 'it is not connected' };
  const { content } = ports.message;
  const hostName = clues.found('fcrdns').find(({ result }) => result === 'pass')?.domain;
  return scanner.scan({ content, session, transaction, hostName, by: site.hostName }, signal);
}

/** `scanner`: as a sender should read it. */
export function unscanned(scanner: string, answer: Unscanned, sizeOctets: number): readonly Finding[] {
  switch (answer.kind) {
    case 'no-message':
      return [{ result: 'none', code: 'no-message', text: 'there is no message to scan' }];
    case 'too-large': {
      const text = `the message is too large for ${scanner} (${sizeOctets} octets)`;
      // RFC 3463 3.4: X.3.4, message too big for system.
      return [{ result: 'fail', code: 'too-large', text, enhanced: '5.3.4', replyCode: 552 }];
    }
    case 'busy':
      // RFC 3463 3.4: X.3.2, system not accepting network messages.
      return [
        {
          result: 'temperror',
          code: 'busy',
          text: `${scanner} is busy: ${answer.reason}`,
          shownText: `${scanner} is busy`,
          enhanced: '5.3.2',
        },
      ];
    case 'failed': {
      // The reason names paths and addresses of the inside: no stranger's business.
      const shownText = `${scanner} gave no verdict`;
      const text = `${shownText}: ${answer.reason.replace(/[^\x20-\x7e]+/g, '?').slice(0, 200)}`;
      return [{ result: 'temperror', code: 'temperror', text, shownText, enhanced: '5.3.0' }];
    }
    default:
      return answer satisfies never;
  }
}
