import type { Reply } from '../mail/reply.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { ArchivesPort } from './archives.ts';
import type { ConvictionSettings } from './charges.ts';
import type { Header } from '../mail/header.ts';
import type { Json } from './check.ts';
import type { Counts, TokenCounts } from './classifier.ts';
import type { MessageContent } from './delivery.ts';
import type { ListEntry, ListQuestion } from './lists.ts';
import type { ScannersPort } from './scanners.ts';
import type { ClientStanding } from './standing.ts';

/** The whole list of what checks ask of the world. */
export interface Ports {
  readonly dns: DnsPort;
  readonly store: StorePort;
  readonly greylist: GreylistPort;
  readonly standing: StandingPort;
  readonly blocks: BlocksPort;
  readonly rates: RatesPort;
  readonly callout: CalloutPort;
  readonly lists: ListsPort;
  readonly zones: ZoneHealthPort;
  readonly scanners: ScannersPort;
  /** Absent where nobody can look into archives. */
  readonly archives?: ArchivesPort | undefined;
  readonly classifier: ClassifierPort;
  /** The message at hand: there at `endOfMessage`, and only then. */
  readonly message?: MessagePort | undefined;
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

/** There at once where it is in memory or in the embedded store; a promise from a shared one. See `after`. */
export type Soon<T> = T | Promise<T>;

/** Small facts with an end date. Keys are exact; `space` keeps the users of the store apart. */
export interface StorePort {
  recall(space: string, key: string): Soon<Json | undefined>;
  remember(space: string, key: string, value: Json, keptMs: number): Soon<void>;
  forget(space: string, key: string): Soon<void>;
}

export interface GreylistPort {
  /** One atomic step: notes the attempt and says where it stands. */
  attempt(attempt: GreylistAttempt): Soon<GreylistState>;
}

export interface GreylistAttempt {
  /** Whom the client belongs to: a domain that vouches for it, or its network. */
  readonly client: string;
  /** Normalised; empty for the null sender. */
  readonly sender: string;
  readonly recipient: string;
  /** A retry counts after this long, and until `retryWindowMs` after the first attempt. */
  readonly delayMs: number;
  readonly retryWindowMs: number;
  /** After its last use. */
  readonly keptMs: number;
  /** Triplets of one client that have to pass, at most one an hour counted, until it is known for all. */
  readonly clientPasses: number;
  /** Learns and holds nobody up: every attempt passes at once. */
  readonly seedOnly: boolean;
  /** When the client's session began: what was tried first since then is tried again by the same session, which is no retry. */
  readonly sessionSinceMs: number;
}

/** What stands in the greylist, for people: a triplet, or a client that is known for all. */
export interface GreylistRow {
  readonly client: string;
  /** Both empty of a client that is known for all. */
  readonly sender: string;
  readonly recipient: string;
  readonly state: 'waiting' | 'known' | 'client-known';
  /** Of a triplet: when it was first tried; of a client: when its last pass was counted. */
  readonly sinceMs: number;
  readonly endsMs: number;
}

export type GreylistState =
  /** Not seen within the window: noted now. */
  | { readonly kind: 'new'; readonly waitMs: number }
  /** Came back too soon, or never left: in the session of its first attempt. */
  | {
      readonly kind: 'early';
      readonly waitMs: number;
      readonly sinceFirstMs: number;
      readonly sameSession?: true;
    }
  /** Came back in time: known from now on. */
  | { readonly kind: 'passed'; readonly sinceFirstMs: number }
  | { readonly kind: 'known' }
  /** So many of its triplets passed that it is known for all. */
  | { readonly kind: 'client-known' };

/** By client network, as `clientNetwork` writes it. */
export interface StandingPort {
  of(network: string): Soon<ClientStanding>;
  /** `good` counts once an hour at most. */
  note(network: string, what: 'good' | 'bad'): Soon<void>;
}

/** One entry of the short-term block list (C2). Plain JSON: it is evidence. */
export interface Block {
  /** In CIDR form; a single address without prefix length. */
  readonly network: string;
  readonly reason: string;
  /** Id of the decision that convicted it; empty where an operator put it there. */
  readonly evidence: string;
  /** The check that convicted it, or `operator`, with a name where it is known: `operator ann`. */
  readonly by: string;
  readonly convictions: number;
  readonly sinceMs: number;
  readonly endsMs: number;
}

export interface Conviction extends Pick<
  ConvictionSettings,
  'firstMs' | 'factor' | 'longestMs' | 'forgottenMs'
> {
  readonly network: string;
  readonly reason: string;
  readonly evidence: string;
  readonly by: string;
}

export interface BlocksPort {
  /** The entry in force that covers the address; of several the one that ends last. */
  covering(address: string): Soon<Block | undefined>;
  /** One atomic step: the entry that there is now, longer with each conviction. */
  convict(conviction: Conviction): Soon<Block>;
}

/** Counts of what happened lately, by space and key, in windows that begin with their first event. */
export interface RatesPort {
  /** Adds one and says how many there are in the window now. */
  add(space: string, key: string, windowMs: number): Soon<number>;
  count(space: string, key: string): Soon<number>;
}

/** Asks a sender domain's own server whether it would take a bounce (E6). */
export interface CalloutPort {
  /** Never rejects. Within bounds for each server and each domain. MAIL FROM:<>, then RCPT TO each address in turn up to the first refusal, then QUIT; one answer each. */
  ask(
    hosts: readonly string[],
    recipients: readonly Mailbox[],
    signal: AbortSignal,
  ): Promise<readonly CalloutAnswer[]>;
}

/** `limited`: nobody was asked, for they were asked often enough, or too many are being asked. */
export type CalloutAnswer = BackendAnswer | { readonly kind: 'limited'; readonly reason: string };

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
  /** Why nobody waits for its answers now: it has been silent. Undefined where they are waited for. */
  silent(zone: string): string | undefined;
  /** A question to it begins. To be told whether it was answered, unless whoever asked stopped waiting. */
  asking(zone: string): (answered: boolean) => void;
}

export type BackendAnswer =
  /** `of`: the answer was to the transaction (its sender, its client), and says nothing of the recipient. */
  | { readonly kind: 'replied'; readonly reply: Reply; readonly of?: 'transaction' }
  | { readonly kind: 'unreachable'; readonly reason: string };

/** What the site's own spam filter has learnt (M6). */
export interface ClassifierPort {
  /** In how many messages of each kind the tokens were; those never seen are left out. Throws where it cannot be read. */
  recall(tokens: Iterable<string>): Soon<Recalled>;
  /** Keeps the tokens for a while, so that somebody can teach them later by the decision's id. Never throws, and nobody waits for it. */
  remember?(decision: string, tokens: Iterable<string>): void;
}

export interface Recalled {
  /** Messages learnt of each kind. */
  readonly trained: Counts;
  readonly seen: readonly TokenCounts[];
}

export interface MessagePort {
  readonly header: Header;
  /** As it came, header and all; may be read more than once. */
  readonly content: MessageContent;
}

export interface RecipientsPort {
  ask(recipient: Mailbox, signal: AbortSignal): Promise<BackendAnswer>;
  /** Asking costs nothing, so nobody need remember an answer. */
  readonly isFree?: boolean;
}
