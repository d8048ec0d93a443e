/** What we ask of the MTA: nothing that no check of the policy wants. */
import type { Policy } from '../../core/policy.ts';
import type { Needs } from '../../wire/milter/negotiation.ts';

// The most needed first: Sendmail before 8.14.4 takes five. Postfix and Sendmail have names of their own for where the client came in.
const CONNECT = ['{daemon_addr}', '{daemon_port}', '{if_addr}'] as const;
// TLS and authentication are told where the MTA learns of them.
const HELO = ['{tls_version}', '{cipher}'] as const;
const MAIL = ['{auth_authen}', '{auth_type}', '{tls_version}', '{cipher}', 'i'] as const;
const RCPT = ['{rcpt_mailer}', '{rcpt_host}', '{rcpt_addr}', 'i'] as const;
const END = ['i'] as const;

export function needsOf({ checks, site }: Policy): Needs {
  const asksAt = (stage: string): boolean => checks.some(({ check }) => check.stage === stage);
  return {
    data: asksAt('data'),
    unknown: false,
    // The fields that we add have to take the place of forged ones, so the header is always read.
    header: true,
    endOfHeader: true,
    body: asksAt('endOfMessage'),
    rejectedRecipients: checks.some(({ check }) => check.name === 'recipients'),
    addHeaders: true,
    changeHeaders: true,
    changeSender: site.signsOutgoing === true,
    macros: { connect: CONNECT, helo: HELO, mail: MAIL, rcpt: RCPT, 'end-of-message': END },
  };
}
