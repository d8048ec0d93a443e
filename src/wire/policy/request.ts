/**
 * A request of Postfix's policy delegation protocol (SMTPD_POLICY_README), as facts. Sees hostile text: HELO names and addresses are
 * what the client said. Attributes that are not named here are passed over, as the protocol demands; those that an older Postfix does
 * not send are empty or absent.
 */
import { canonicalAddress } from '../../mail/ip.ts';

export interface PolicyRequest {
  readonly state: PolicyState;
  /** The same for all requests of one message, whatever its recipients; empty before Postfix 2.1. */
  readonly instance: string;
  readonly protocolName: string;
  /** Canonical; absent where the MTA does not know it (`unknown`), or the mail is local. */
  readonly clientAddress?: string;
  /** 0 where it is not known. */
  readonly clientPort: number;
  /** Confirmed by a look-up back, or `unknown`. */
  readonly clientName: string;
  /** What the address points to, confirmed or not, or `unknown`. */
  readonly reverseClientName: string;
  readonly serverAddress?: string;
  readonly serverPort: number;
  /** Empty until the client said it. */
  readonly heloName: string;
  readonly queueId: string;
  /** Without angle brackets and quotes, as Postfix keeps it; empty for the null reverse-path and before MAIL. See `takenAddress`. */
  readonly sender: string;
  /** From DATA on only where there is but one. */
  readonly recipient: string;
  /** 0 before DATA. */
  readonly recipientCount: number;
  /** Of SIZE= at MAIL and RCPT, of the message at its end; 0 where it is not known. */
  readonly sizeOctets: number;
  readonly saslMethod: string;
  readonly saslUsername: string;
  readonly saslSender: string;
  /** Empty without TLS. */
  readonly encryptionProtocol: string;
  readonly encryptionCipher: string;
  readonly encryptionKeysize: number;
  /** Of a certificate that the MTA has verified. */
  readonly ccertSubject: string;
  readonly ccertIssuer: string;
  readonly ccertFingerprint: string;
  /** From check_policy_service's own settings: says which restriction list asks. */
  readonly policyContext: string;
  /** Postfix is under stress. */
  readonly stress: boolean;
}

const STATES = ['CONNECT', 'EHLO', 'HELO', 'MAIL', 'RCPT', 'DATA', 'END-OF-MESSAGE', 'VRFY', 'ETRN'] as const;
/** `other`: one that is newer than we are. It can be answered with DUNNO. */
export type PolicyState = (typeof STATES)[number] | 'other';

export type RequestError = 'request-missing' | 'other-request' | 'state-missing';

/** The attributes that are read. */
export const ATTRIBUTES: ReadonlySet<string> = new Set([
  'request',
  'protocol_state',
  'instance',
  'protocol_name',
  'client_address',
  'client_port',
  'client_name',
  'reverse_client_name',
  'server_address',
  'server_port',
  'helo_name',
  'queue_id',
  'sender',
  'recipient',
  'recipient_count',
  'size',
  'sasl_method',
  'sasl_username',
  'sasl_sender',
  'encryption_protocol',
  'encryption_cipher',
  'encryption_keysize',
  'ccert_subject',
  'ccert_issuer',
  'ccert_fingerprint',
  'policy_context',
  'stress',
]);

export function readRequest(attributes: ReadonlyMap<string, string>): PolicyRequest | RequestError {
  const text = (name: string): string => attributes.get(name) ?? '';
  const type = attributes.get('request');
  if (type === undefined) return 'request-missing';
  if (type !== 'smtpd_access_policy') return 'other-request';
  const state = attributes.get('protocol_state');
  if (state === undefined) return 'state-missing';
  const number = (name: string): number => readNumber(attributes.get(name));
  const clientAddress = canonicalAddress(text('client_address'));
  const serverAddress = canonicalAddress(text('server_address'));
  return {
    state: STATES.find((known) => known === state) ?? 'other',
    instance: text('instance'),
    protocolName: text('protocol_name'),
    ...(clientAddress === undefined ? {} : { clientAddress }),
    clientPort: number('client_port'),
    clientName: text('client_name'),
    reverseClientName: text('reverse_client_name'),
    ...(serverAddress === undefined ? {} : { serverAddress }),
    serverPort: number('server_port'),
    heloName: text('helo_name'),
    queueId: text('queue_id'),
    sender: text('sender'),
    recipient: text('recipient'),
    recipientCount: number('recipient_count'),
    sizeOctets: number('size'),
    saslMethod: text('sasl_method'),
    saslUsername: text('sasl_username'),
    saslSender: text('sasl_sender'),
    encryptionProtocol: text('encryption_protocol'),
    encryptionCipher: text('encryption_cipher'),
    encryptionKeysize: number('encryption_keysize'),
    ccertSubject: text('ccert_subject'),
    ccertIssuer: text('ccert_issuer'),
    ccertFingerprint: text('ccert_fingerprint'),
    policyContext: text('policy_context'),
    stress: text('stress') !== '',
  };
}

/** What the MTA does not know is empty, `unknown`, or `-1` (Exim's $message_size): all of it is 0. */
function readNumber(value: string | undefined): number {
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : 0;
}
