/**
 * Tells people of alerts and sends the daily summary, by mail and by webhook. Each recipient is tried by itself, with growing pauses, for
 * some hours; who could not be told in the end stands in the log with the text.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend } from '../../core/delivery.ts';
import type { Notice } from '../../core/notice.ts';
import { parseForwardPath } from '../../mail/path.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import { formatMail } from './message.ts';
import { mailThroughBackend, mailThroughSendmail, postWebhook, type Told } from './ways.ts';

export interface NotifySettings {
  readonly hostName: string;
  readonly mailTo: readonly string[];
  readonly mailFrom: string;
  readonly webhook?: string;
  /** Undefined where no backend takes mail for it: then `sendmail` does. */
  readonly backendFor: (recipient: Mailbox) => Backend | undefined;
  /** By default Debian's place of it. */
  readonly sendmail?: string;
}

export interface NotifyPorts {
  /** As they are at each attempt: a reload may have mended what was wrong. */
  readonly settings: () => NotifySettings;
  readonly trouble: (what: string, error: unknown) => void;
  /** Between attempts; the last one repeats until the time is over. */
  readonly pausesMs?: readonly number[];
  readonly givenUpAfterMs?: number;
  readonly nowMs?: () => number;
}

const PAUSES_MS = [5000, 15_000, 60_000, 120_000, 300_000, 600_000, 900_000];
const GIVEN_UP_AFTER_MS = 6 * 3_600_000;
const SENDMAIL = '/usr/sbin/sendmail';

/** True when all have been told or given up; false where the signal ended it before. */
export function notifier(ports: NotifyPorts): (notice: Notice, signal: AbortSignal) => Promise<boolean> {
  return async (notice, signal) => {
    const { mailTo, webhook } = ports.settings();
    const hook = notice.kind === 'alert' && webhook !== undefined;
    // Two of them at once are one way too many to be told.
    const recipients = [...new Set(mailTo)];
    const done = await Promise.all([
      ...recipients.map((to) => untilTold(`a mail to ${to}`, () => mailed(ports, notice, to, signal))),
      ...(hook ? [untilTold('the webhook', () => hooked(ports, notice, signal))] : []),
    ]);
    return done.every((one) => one);

    async function untilTold(whom: string, attempt: () => Promise<Told>): Promise<boolean> {
      const { nowMs = Date.now, pausesMs = PAUSES_MS, trouble } = ports;
      const endMs = nowMs() + (ports.givenUpAfterMs ?? GIVEN_UP_AFTER_MS);
      for (let tries = 1; ; tries++) {
        const told = await attempt().catch((error: unknown): Told => {
          // A fault of ours, or an address that cannot be one.
          return { kind: 'never', reason: error instanceof Error ? error.message : String(error) };
        });
        if (told.kind === 'told') return true;
        if (signal.aborted) return false;
        const pauseMs = pausesMs[Math.min(tries, pausesMs.length) - 1] ?? 0;
        if (told.kind === 'never' || nowMs() + pauseMs > endMs) {
          trouble(`telling by ${whom}, given up: ${notice.subject}`, new Error(told.reason));
          return true;
        }
        if (tries === 1) trouble(`telling by ${whom}, tried again for some hours`, new Error(told.reason));
        const waited = await sleep(pauseMs, true, { signal }).catch(() => false);
        if (!waited) return false;
      }
    }
  };
}

function mailed(ports: NotifyPorts, notice: Notice, recipient: string, signal: AbortSignal): Promise<Told> {
  const settings = ports.settings();
  const { hostName, backendFor } = settings;
  const from = mailboxOf(settings.mailFrom);
  const to = mailboxOf(recipient);
  const { subject, text, atMs } = notice;
  const mail = formatMail({
    from,
    to: [to],
    hostName,
    subject,
    text,
    atMs,
    about: `${notice.about} ${notice.state}`,
  });
  const backend = backendFor(to);
  return backend === undefined
    ? mailThroughSendmail(settings.sendmail ?? SENDMAIL, from, to, mail, signal)
    : mailThroughBackend(backend, from, to, mail, hostName, signal);
}

async function hooked(ports: NotifyPorts, notice: Notice, signal: AbortSignal): Promise<Told> {
  const { webhook, hostName } = ports.settings();
  return webhook === undefined ? { kind: 'told' } : postWebhook(webhook, notice, hostName, signal);
}

function mailboxOf(address: string): Mailbox {
  const parsed = parseForwardPath(`<${address}>`);
  if (parsed.kind === 'error') throw new Error(`"${address}" is no mail address`);
  return parsed.path;
}
