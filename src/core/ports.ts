import type { Reply } from '../mail/reply.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Json } from './check.ts';
import type { ListEntry, ListQuestion } from './lists.ts';

/** The whole list of what checks ask of the world. */
export interface Ports {
  readonly dns: DnsPort;
  readonly store: StorePort;
  readonly lists: ListsPort;
  readonly zones: ZoneHealthPort;
  /** The backend's own answer to a recipient, inside the client's transaction (E5). */
  readonly recipients: RecipientsPort;
}

export interface DnsRecords {
  readonly A: string;
  readonly AAAA: string;
  readonly PTR: string;
  readonly CNAME: string;
  readonly NS: string;
  readonly MX: { readonly exchange: string; readonly priority: number };
  /** The strings of one TXT record, joined. */
  readonly TXT: string;
}
export type DnsType = keyof DnsRecords;

/** Four ways of not finding are four answers (RFC 2308, 8020). Names are lower-case, without the final dot. */
export type DnsAnswer<R> =
  | { readonly kind: 'found'; readonly records: readonly R[] }
  | { readonly kind: 'no-data' }
  | { readonly kind: 'nxdomain' }
  | { readonly kind: 'servfail'; readonly reason: string }
  | { readonly kind: 'timeout' };

export interface DnsPort {
  /** Never rejects: an aborted or late question is `timeout`, a name that DNS cannot carry is `nxdomain`. */
  resolve<T extends DnsType>(name: string, type: T, signal: AbortSignal): Promise<DnsAnswer<DnsRecords[T]>>;
}

/** Small facts with an end date. Keys are exact; `space` keeps the users of the store apart. */
export interface StorePort {
  recall(space: string, key: string): Promise<Json | undefined>;
  remember(space: string, key: string, value: Json, keptMs: number): Promise<void>;
  forget(space: string, key: string): Promise<void>;
}

export interface ListsPort {
  find(question: ListQuestion): readonly ListEntry[];
  /** False where no entry names a host: then nobody need ask DNS for the client's names on the lists' account. */
  readonly namesHosts?: boolean;
}

/** Whether a DNS list can be believed now: kept up by its self-test (RFC 5782 5) and by what its answers look like. */
export interface ZoneHealthPort {
  /** Why the zone is not asked now, or undefined. */
  suspended(zone: string): string | undefined;
  /** The zone answered nonsense: it is not asked again until its self-test passes, and the operator is told. */
  suspend(zone: string, reason: string): void;
}

export type BackendAnswer =
  /** `of`: the answer was to the transaction (its sender, its client), and says nothing of the recipient. */
  | { readonly kind: 'replied'; readonly reply: Reply; readonly of?: 'transaction' }
  | { readonly kind: 'unreachable'; readonly reason: string };

export interface RecipientsPort {
  ask(recipient: Mailbox, signal: AbortSignal): Promise<BackendAnswer>;
}
