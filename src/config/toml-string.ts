/** Where a string of TOML in any of its four forms ends that begins here, or the line or the text where it is not closed. */
export function endOfString(text: string, start: number): number {
  const quote = text[start] ?? '';
  const isLong = text.startsWith(quote.repeat(3), start);
  const end = isLong ? quote.repeat(3) : quote;
  let at = start + end.length;
  while (at < text.length && !text.startsWith(end, at)) {
    if (text[at] === '\n' && !isLong) return at;
    at += quote === '"' && text[at] === '\\' && text[at + 1] !== '\n' ? 2 : 1;
  }
  at += end.length;
  // A long string may end in one or two quotes of its own: `""""`.
  if (isLong) while (text[at] === quote) at++;
  return Math.min(at, text.length);
}

/** What a quoted key says. */
export function unquoted(raw: string): string {
  if (raw.startsWith("'")) return raw.slice(1, -1);
  try {
    return String(JSON.parse(raw)); // a basic string of one line: TOML's escapes are JSON's, and \U, \e, \x besides
  } catch {
    return raw.slice(1, -1);
  }
}
