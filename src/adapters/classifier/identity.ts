/** By what the classifier knows a message that it has learnt: each is learnt once, in whatever way it comes. */
import { createHash } from 'node:crypto';

/** The same message has other line ends in another mailbox. */
export function contentHash(message: Buffer): Buffer {
  const text = message.toString('latin1').replace(/\r\n/g, '\n').trimEnd();
  return createHash('sha256').update(text, 'latin1').digest();
}

/** Of what the gate judged: taught from its decision, and from any mailbox by the mark that it was delivered with. */
export function decisionHash(id: string): Buffer {
  return createHash('sha256').update(`decision ${id}`, 'latin1').digest();
}
