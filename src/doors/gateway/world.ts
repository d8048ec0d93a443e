import type { SecureContext } from 'node:tls';
import type { Backend } from '../../core/delivery.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import type { NetworkSet } from '../../mail/networks.ts';
import type { EhloOffer, ServerLimits } from '../../wire/smtp/events.ts';
import type { AdmissionLimits } from '../admission.ts';
import type { LoadChange, LoadMarks, MachineLoad } from '../load.ts';
import type { DoorWorld, JudgeSettings } from '../session.ts';
import type { TurnedAway } from '../turned-away.ts';

/** All that a connection takes from its configuration: each keeps the one it began with, a reload makes another (O13). */
export interface GatewaySettings extends JudgeSettings {
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

/** `too-many`: the client's own network asks more at one time than is its share. */
export type CredentialsVerdict = 'ok' | 'wrong' | 'unavailable' | 'too-many';

/** What the gateway takes from the world that the checks do not. */
export interface GatewayWorld extends DoorWorld {
  /** In force now. */
  settings(): GatewaySettings;
  /** The context for a server name, undefined where no certificate is configured. */
  secureContext(serverName: string | undefined): SecureContext | undefined;
  /** `network` is the client's: each has its share of what can be looked at. */
  verifyCredentials(identity: string, password: string, network: string): Promise<CredentialsVerdict>;
  /** Asked once a second. Absent: only the connections count as load. */
  load?(): MachineLoad;
  /** Another level of load, or calm again: for the operator's log. */
  onLoad?(change: LoadChange): void;
  /** Once a minute while anybody is turned away at the door: one for each reason. */
  onTurnedAway?(counts: readonly TurnedAway[]): void;
}
