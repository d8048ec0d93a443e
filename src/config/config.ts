import type { ListEntries } from '../core/lists.ts';
import type { ConfiguredCheck } from '../core/policy.ts';
import type { Site } from '../core/site.ts';
import type { NetworkSet } from '../mail/networks.ts';
import type { SignatureRule } from '../mail/signatures.ts';
import type { AdminConfig } from './admin.ts';
import type { KeyPath } from './locate.ts';
import type { Origin, Origins, Profile } from './profile.ts';
import type { BackendUrl, SocketAddress } from './values.ts';

/** The file, read and settled. Units end the names; nothing in it changes until the next reload makes another one. */
export interface Config {
  readonly file: string;
  /** What stood in it when it was read, with its secrets: it may say something else by now. */
  readonly text: string;
  /** Hash of the file and the list files: the same policy has the same hash. */
  readonly policy: string;
  readonly site: Site;
  readonly dataDir: string;
  readonly profile?: Profile;
  /** Infinity where suspicion never refuses. */
  readonly refuseAtSuspicion: number;
  readonly refuseAtSuspicionFrom: Origin;
  /** Under `profile = "watch"`: what would be in force without it; so with each check. */
  readonly meant?: { readonly refuseAtSuspicion: number };
  readonly checksTimeoutMs: number;
  readonly recipientTimeoutMs: number;
  readonly messageChecksTimeoutMs: number;
  readonly signatures: readonly SignatureRule[];
  readonly listen: readonly ListenConfig[];
  readonly services: readonly ServiceConfig[];
  readonly tls?: TlsConfig;
  /** There where a gateway listens. */
  readonly backend?: BackendConfig;
  readonly routes: readonly RouteConfig[];
  readonly dns: DnsConfig;
  readonly limits: Limits;
  readonly load: LoadConfig;
  readonly emergency: { readonly turnAwayPercent: number };
  /** 0 switches it off. */
  readonly greetPauseMs: number;
  /** User names with their password hashes. */
  readonly auth?: { readonly usersFile: string; readonly users: ReadonlyMap<string, string> };
  readonly lenient: readonly Lenient[];
  readonly listEntries: ListEntries;
  readonly checks: readonly CheckConfig[];
  readonly logFormat: 'auto' | 'json' | 'text';
  readonly journalKeptMs: number;
  readonly journalOctets: number;
  readonly admin: AdminConfig;
  /** The line of the file on which a key stands; undefined where it does not stand there. */
  readonly lineOf: (path: KeyPath) => number | undefined;
}

export interface CheckConfig extends ConfiguredCheck {
  /** Why it will not run although it is on. */
  readonly idle?: string;
  readonly origins: Origins;
}

/** For an MTA that asks: no client ever comes here. */
export interface ServiceConfig {
  /** Which of the file's listeners it is, from 0. */
  readonly index: number;
  readonly door: 'milter' | 'policy';
  readonly at:
    | SocketAddress
    /** `mode`: permission bits. `groupId` absent: our own group. */
    | { readonly path: string; readonly mode: number; readonly groupId?: number };
}

/** Of a gateway. */
export interface ListenConfig extends SocketAddress {
  /** Which of the file's listeners it is, from 0. */
  readonly index: number;
  readonly role?: 'honeypot';
  readonly proxyProtocolFrom: NetworkSet;
  readonly tls: 'none' | 'starttls' | 'implicit';
}

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export interface TlsConfig extends CertificateFiles {
  readonly sni: readonly (CertificateFiles & { readonly names: readonly string[] })[];
  readonly sessionTickets: boolean;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

export interface BackendConfig {
  readonly url: BackendUrl;
  readonly tls: 'none' | 'opportunistic' | 'required' | 'verify';
  readonly xclient: boolean;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
  readonly dataTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface RouteConfig {
  readonly domains: readonly string[];
  readonly backend: BackendConfig;
}

export interface DnsConfig {
  /** Empty: the system's. */
  readonly servers: readonly string[];
  readonly timeoutMs: number;
  readonly cacheEntries: number;
}

export interface Limits {
  readonly messageOctets: number;
  readonly headerOctets: number;
  readonly recipients: number;
  readonly transactions: number;
  readonly errors: number;
  readonly commands: number;
  readonly connections: number;
  readonly connectionsPerClient: number;
  readonly connectionsPerMinute: number;
  /** Per cent of `connections`. */
  readonly reservedForGood: number;
  readonly greetingTimeoutMs: number;
  readonly commandTimeoutMs: number;
  readonly dataTimeoutMs: number;
  readonly sessionTimeMs: number;
  /** Per cent of `connections`. */
  readonly stressAt: number;
  readonly stressTimeoutMs: number;
  readonly spoolMemoryOctets: number;
  readonly memoryOctets: number;
  readonly drainTimeoutMs: number;
}

/** 0 switches a mark off. */
export interface LoadConfig {
  /** Per core. */
  readonly loadAverage: LoadMark;
  readonly eventLoopDelayMs: LoadMark;
  readonly memoryPercent: LoadMark;
  /** Of `connections`. */
  readonly sessionsPercent: LoadMark;
  /** 0: what the control group or the machine has. */
  readonly memoryLimitOctets: number;
}

export interface LoadMark {
  readonly deferAt: number;
  readonly refuseAt: number;
}

export interface Lenient {
  readonly clients: NetworkSet;
  readonly envelope: boolean;
  readonly pipelining: boolean;
}
