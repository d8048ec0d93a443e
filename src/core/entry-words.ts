import type { Conditions } from './lists.ts';

/** A list entry as everybody reads it: `client 192.0.2.7 to ann@example.org`. All that it names has to match. */
export function entryWords({ client, host, sender, recipient }: Conditions): string {
  const parts: string[] = [];
  if (client !== undefined) parts.push(`${client.includes('/') ? 'network' : 'client'} ${client}`);
  if (host !== undefined) parts.push(`host ${host}`);
  if (sender !== undefined)
    parts.push(sender === '<>' ? 'bounces' : `${sender.includes('@') ? 'sender' : 'senders of'} ${sender}`);
  if (recipient !== undefined) parts.push(`${parts.length === 0 ? 'mail ' : ''}to ${recipient}`);
  return parts.join(' ');
}
