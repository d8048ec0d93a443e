/**
 * Bounce address tag validation, scheme `prvs` (draft-levine-smtp-batv-01): outgoing mail carries
 * `prvs=KDDDSSSSSS=local@domain` as its reverse-path, so a bounce to an address without a valid tag answers mail that is not ours.
 * K is the key's number, DDD the last digits of the day it expires, SSSSSS the start of an HMAC-SHA1. Values only: key and day are
 * given. Tagged addresses that come in are a stranger's.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { mailboxKey, type Mailbox } from './mailbox.ts';

export interface BatvKey {
  /** 0 to 9: old keys stay valid under their number until what they signed has expired. */
  readonly number: number;
  readonly secret: string;
}

export type BatvResult =
  | { readonly kind: 'untagged' }
  /** `mailbox` is the one that was signed; only of a valid tag it is known to be. */
  | { readonly kind: 'valid' | 'expired' | 'forged' | 'unknown-key'; readonly mailbox: Mailbox };

// The draft suggests a week: senders give up retrying after five days.
export const BATV_DAYS = 7;
const DAY_MS = 86_400_000;
const DAYS = 1000;
// RFC 5321 4.5.3.1.1.
const MAX_LOCAL_PART_OCTETS = 64;

/** The day that a tag counts by. */
export function batvDay(nowMs: number): number {
  return Math.floor(nowMs / DAY_MS);
}

/** The mailbox tagged to be good until `today + days`; undefined where the tag does not fit. A tagged one gets a new tag. */
export function signBatv(
  mailbox: Mailbox,
  key: BatvKey,
  today: number,
  days: number = BATV_DAYS,
): Mailbox | undefined {
  const original = batvOriginal(mailbox);
  const stamp = `${key.number}${String((today + days) % DAYS).padStart(3, '0')}`;
  const local = `prvs=${stamp}${hashOf(stamp, original, key)}=${original.local}`;
  return Buffer.byteLength(local) > MAX_LOCAL_PART_OCTETS ? undefined : { ...original, local };
}

/** The mailbox behind a tag, valid or not; one without a tag is its own. */
export function batvOriginal(mailbox: Mailbox): Mailbox {
  const tag = TAG.exec(mailbox.local);
  return tag === null ? mailbox : { ...mailbox, local: tag[3] ?? '' };
}

export function checkBatv(
  mailbox: Mailbox,
  keys: readonly BatvKey[],
  today: number,
  days: number = BATV_DAYS,
): BatvResult {
  const tag = TAG.exec(mailbox.local);
  if (tag === null) return { kind: 'untagged' };
  const [, stamp = '', hash = ''] = tag;
  const original = batvOriginal(mailbox);
  const key = keys.find(({ number }) => number === Number(stamp.charAt(0)));
  if (key === undefined) return { kind: 'unknown-key', mailbox: original };
  const due = Buffer.from(hashOf(stamp, original, key));
  if (!timingSafeEqual(due, Buffer.from(hash.toLowerCase()))) return { kind: 'forged', mailbox: original };
  // Days are counted modulo 1000: what expired is up to three years ahead.
  const left = (((Number(stamp.slice(1)) - today) % DAYS) + DAYS) % DAYS;
  return { kind: left > days ? 'expired' : 'valid', mailbox: original };
}

// Servers on the way may change the case.
const TAG = /^prvs=(\d{4})([0-9a-f]{6})=(.+)$/i;

/** Over the address without case, for the same reason. */
function hashOf(stamp: string, mailbox: Mailbox, { secret }: BatvKey): string {
  return createHmac('sha1', secret)
    .update(`${stamp}${mailboxKey(mailbox)}`)
    .digest('hex')
    .slice(0, 6);
}
