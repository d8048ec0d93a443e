/**
 * What to do about text that is no TOML. The parser says what it stumbled over; the operator wants to know what to write
 * instead. `said` is the parser's message, `line` the line it speaks of, up to where and from where it stumbled.
 */
export function tomlRemedy(said: string, line: string, column: number): string | undefined {
  const before = line.slice(0, column - 1);
  const rest = line.slice(column - 1).trim();
  const header = /^\s*\[+\s*([\w.-]+)/.exec(line)?.[1];
  if (/control characters .* strings|unfinished string/.test(said)) {
    return 'a text ends on its line, with the quote it began with';
  }
  if (/invalid value/.test(said)) {
    if (rest === '' || rest.startsWith('#')) return 'a value is missing after the "="';
    if (/^(?:yes|no|on|off|True|False|TRUE|FALSE)\b/.test(rest)) return 'write true or false';
    return 'a text wants straight quotes, such as key = "value"';
  }
  if (/numeric|leading zero|underscore|date|losslessly/.test(said)) {
    return 'all but plain numbers, true and false stands in quotes, such as "30s" or "0.0.0.0:25"';
  }
  if (/followed by an end-of-line/.test(said))
    return 'one setting a line, and after its value nothing but a # comment';
  if (/redefine/.test(said)) {
    if (header === undefined) return 'this key is set twice; take one of the lines out';
    return `[${header}] and [[${header}]] cannot both stand in a file, and [${header}] only once; put what belongs together into one table`;
  }
  if (/expected end of table array|incomplete key-value/.test(said)) {
    return 'a line with [ is the head of a table, such as [backend] or [[listen]]';
  }
  if (/illegal character in key/.test(said)) {
    if (rest.startsWith(':')) return 'between key and value stands "=", such as key = "value"';
    return /^\s*[\w.-]+\s+$/.test(before)
      ? 'after the key comes "="; a key is one word, such as host_name'
      : 'a key has only letters, digits, - and _';
  }
  if (/empty bare key|end of key/.test(said)) return 'a setting begins with its key, such as key = "value"';
  if (/expected comma|unfinished array|unfinished table/.test(said)) {
    return 'values in a list have commas between them, and the list ends with its bracket';
  }
  if (/escape/.test(said))
    return "in double quotes a backslash begins an escape; single quotes ('…') take it as it is";
  return undefined;
}
