/** Strangers' text for replies, logs and the journal: printable ASCII, one line, cut, without the dot at its end. */
export function shown(text: string, maxLength: number): string {
  const clean = text.slice(0, maxLength).replace(/[^\x20-\x7e]/g, '?');
  let end = clean.length;
  while (end > 0 && ' .'.includes(clean.charAt(end - 1))) end -= 1;
  return clean.slice(0, end).trimStart();
}

const MAX_SHOWN_DOMAIN = 80;

/** A reply line holds 512 octets, and a domain may stand in it twice. The end of a name is what its owner registered. */
export function shownDomain(domain: string): string {
  const clean = shown(domain.slice(-255), 255);
  return clean.length > MAX_SHOWN_DOMAIN ? `...${clean.slice(-MAX_SHOWN_DOMAIN)}` : clean;
}
