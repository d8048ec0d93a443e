import { constantReply, type Reply } from '../../mail/reply.ts';
import type { EhloOffer } from './events.ts';

/**
 * The 250 to EHLO (RFC 5321 4.1.1.1). PIPELINING is not offered, so that whoever pipelines shows himself; CHUNKING is not, because
 * BDAT needs a second way to find a message's end, and second ways are what smuggling lives on.
 */
export function ehloReply(offer: EhloOffer): Reply {
  const lines = [offer.hostName, offer.sizeOctets > 0 ? `SIZE ${offer.sizeOctets}` : 'SIZE', '8BITMIME'];
  lines.push('ENHANCEDSTATUSCODES');
  if (offer.starttls) lines.push('STARTTLS');
  if (offer.auth.length > 0) lines.push(`AUTH ${offer.auth.join(' ')}`);
  if (offer.smtputf8) lines.push('SMTPUTF8');
  if (offer.dsn) lines.push('DSN');
  return constantReply(250, '', ...lines);
}
