/** The ways in which people are told: a mail through the backend, or through this machine's own `sendmail`, and a webhook. */
import { isFailure, type Backend, type MessageContent } from '../../core/delivery.ts';
import type { Notice } from '../../core/notice.ts';
import type { BackendAnswer } from '../../core/ports.ts';
import { formatMailbox, type Mailbox } from '../../mail/mailbox.ts';
import { runLines } from '../run-lines.ts';

/** `again`: it may work later. `never`: it will not, however often it is tried. */
export type Told = { readonly kind: 'told' } | { readonly kind: 'again' | 'never'; readonly reason: string };

const TOLD: Told = { kind: 'told' };
const MAIL_TIMEOUT_MS = 120_000;
const WEBHOOK_TIMEOUT_MS = 10_000;

/** One transaction for one recipient: with LMTP each has an answer of its own, and routes lead elsewhere. */
export async function mailThroughBackend(
  backend: Backend,
  from: Mailbox,
  to: Mailbox,
  mail: Buffer,
  hostName: string,
  stop: AbortSignal,
): Promise<Told> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(MAIL_TIMEOUT_MS)]);
  const begun = await backend.begin(
    {
      reversePath: from,
      parameters: {},
      client: { address: '127.0.0.1', port: 0, heloName: hostName, heloVerb: 'EHLO' },
    },
    signal,
  );
  if (isFailure(begun)) return toldBy(begun);
  const asked = toldBy(await begun.rcpt(to, {}, signal));
  if (asked.kind !== 'told') {
    begun.abort();
    return asked;
  }
  const content: MessageContent = { sizeOctets: mail.length, chunks: () => [mail] };
  return toldBy(await begun.send(content, signal));
}

function toldBy(answer: BackendAnswer): Told {
  if (answer.kind === 'unreachable') return { kind: 'again', reason: answer.reason };
  const { code, enhanced, lines } = answer.reply;
  if (code < 300) return TOLD;
  return { kind: code >= 500 ? 'never' : 'again', reason: `${code} ${enhanced} ${lines.join(' ')}` };
}

/** Its standard input is the message; what follows `--` is no option, whatever it begins with. */
export async function mailThroughSendmail(
  program: string,
  from: Mailbox,
  to: Mailbox,
  mail: Buffer,
  signal: AbortSignal,
): Promise<Told> {
  try {
    await runLines({
      command: [program, '-i', '-f', formatMailbox(from), '--', formatMailbox(to)],
      input: Buffer.from(mail.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
      onLine: () => undefined,
      signal,
      timeoutMs: MAIL_TIMEOUT_MS,
    });
    return TOLD;
  } catch (error) {
    return { kind: 'again', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The path of the address is a secret, as with all webhooks: no reason says it. */
export async function postWebhook(
  url: string,
  notice: Notice,
  hostName: string,
  stop: AbortSignal,
  timeoutMs = WEBHOOK_TIMEOUT_MS,
): Promise<Told> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'Postern' },
      body: JSON.stringify({
        alert: notice.about,
        state: notice.state,
        text: notice.subject,
        at: new Date(notice.atMs).toISOString(),
        host: hostName,
      }),
      // Where it leads is not what the configuration says.
      redirect: 'manual',
      signal,
    });
    await response.body?.cancel();
    if (response.ok) return TOLD;
    const { status } = response;
    if (status >= 300 && status < 400)
      return { kind: 'never', reason: `it answers ${status}, and leads elsewhere: that is not followed` };
    const later = status >= 500 || status === 408 || status === 429;
    return { kind: later ? 'again' : 'never', reason: `it answers ${status}` };
  } catch (error) {
    return { kind: 'again', reason: networkProblem(error, timeoutMs) };
  }
}

function networkProblem(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return 'it cannot be asked';
  if (error.name === 'TimeoutError') return `no answer within ${timeoutMs / 1000} s`;
  // fetch says no more than "fetch failed"; the code of its cause is what one looks up.
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? `it cannot be asked (${code})` : `it cannot be asked (${error.name})`;
}
