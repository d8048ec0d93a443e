/*
 * Words that an MTA passes on from its client. What is no UTF-8 stays readable octet by octet, and cannot be taken for something that is.
 */
import { isUtf8 } from 'node:buffer';

/** As it came, for parsers that know what an address may hold. */
export function rawText(bytes: Buffer): string {
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}

const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
const EVERY_CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/g;

/**
 * Without control characters. A line that has them never becomes a fact where we speak SMTP ourselves; MTAs let some of them through,
 * and no client may break what it was told through us by that.
 */
export function plainText(bytes: Buffer): string {
  const text = rawText(bytes);
  return CONTROL.test(text) ? text.replace(EVERY_CONTROL, '?') : text;
}
