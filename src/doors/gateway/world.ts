import type { SecureContext } from 'node:tls';
import type { Decision } from '../../core/decision.ts';
import type { Backend, MessageContent } from '../../core/delivery.ts';
import type { Policy } from '../../core/policy.ts';
import type { DnsPort, Ports } from '../../core/ports.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import type { NetworkSet } from '../../mail/networks.ts';
import type { EhloOffer, ServerLimits } from '../../wire/smtp/events.ts';
import type { AdmissionLimits } from '../admission.ts';
import type { LoadChange, LoadMarks, MachineLoad } from '../load.ts';

/** All that a connection takes from its configuration: each keeps the one it began with, a reload makes another (O13). */
export interface GatewaySettings {
  readonly policy: Policy;
  readonly ports: Omit<Ports, 'recipients'>;
  /** DNS with a client network's share of it. Absent: nothing bounds one client. */
  readonly dnsFor?: ((network: string) => DnsPort) | undefined;
  readonly backendFor: (recipient: Mailbox) => Backend;
  readonly offer: Pick<EhloOffer, 'hostName' | 'sizeOctets' | 'auth'>;
  readonly limits: AdmissionLimits & {
    readonly greetingTimeoutMs: number;
    readonly stressTimeoutMs: number;
    readonly sessionTimeMs: number;
    readonly transactions: number;
    readonly drainTimeoutMs: number;
  };
  /** Absent: nothing is deferred or refused for load (C6). */
  readonly load?: LoadMarks | undefined;
  /** C7. Absent or 0: nobody is turned away. */
  readonly emergency?: { readonly turnAwayPercent: number } | undefined;
  readonly protocolLimits: ServerLimits;
  /** 0: the banner does not wait. */
  readonly greetPauseMs: number;
  readonly lenient: readonly {
    readonly clients: NetworkSet;
    readonly envelope: boolean;
    readonly pipelining: boolean;
  }[];
}

export interface GatewayListener {
  readonly host: string;
  readonly port: number;
  /** Absent: to take mail. */
  readonly role?: 'honeypot';
  readonly proxyProtocolFrom: NetworkSet;
  readonly tls: 'none' | 'starttls' | 'implicit';
}

/** A message being taken: in memory up to a bound, then in a file that dies with it. */
export interface IncomingContent {
  /** A promise asks for a pause in reading; it never rejects. */
  append(bytes: Buffer): Promise<void> | undefined;
  finish(): Promise<
    MessageContent | { readonly kind: 'disk-full' } | { readonly kind: 'failed'; readonly reason: string }
  >;
  dispose(): void;
}

/** `too-many`: the client's own network asks more at one time than is its share. */
export type CredentialsVerdict = 'ok' | 'wrong' | 'unavailable' | 'too-many';

/** What the gateway takes from the world that the checks do not. */
export interface GatewayWorld {
  /** In force now. */
  settings(): GatewaySettings;
  /** The context for a server name, undefined where no certificate is configured. */
  secureContext(serverName: string | undefined): SecureContext | undefined;
  incoming(): IncomingContent;
  /** `network` is the client's: each has its share of what can be looked at. */
  verifyCredentials(identity: string, password: string, network: string): Promise<CredentialsVerdict>;
  record(decision: Decision): void;
  /** Asked once a second. Absent: only the connections count as load. */
  load?(): MachineLoad;
  /** Another level of load, or calm again: for the operator's log. */
  onLoad?(change: LoadChange): void;
  /** Something went wrong that is ours: for the operator's log. */
  readonly trouble: (what: string, error: unknown, id?: string) => void;
  readonly nowMs: () => number;
  readonly newId: () => string;
}
