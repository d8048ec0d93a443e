/** What Sendmail's configuration (sendmail.cf, as m4 has made it) says of a milter listener (Sendmail's libmilter/README). */
import { formatForSendmail, meets, type Place } from './place.ts';
import { quoted, type Telling } from './told.ts';

/** Xname, S=inet:8891@127.0.0.1, F=T, T=S:30s;R:30s;E:10m */
export interface SendmailFilter {
  readonly name: string;
  readonly socket: string;
  readonly place: Place | undefined;
  readonly flags: string;
  /** Letters of T= with seconds. */
  readonly seconds: ReadonlyMap<string, number>;
}

export interface SendmailSettings {
  readonly filters: readonly SendmailFilter[];
  /** O InputMailFilters: those that are asked, in their order. */
  readonly input: readonly string[];
  /** Daemons with a list of their own. */
  readonly daemons: readonly { readonly name: string; readonly input: readonly string[] }[];
}

export function readSendmail(text: string): SendmailSettings {
  const filters: SendmailFilter[] = [];
  const daemons: { name: string; input: string[] }[] = [];
  let input: string[] = [];
  // A line that begins with white space goes on with the one before.
  for (const line of text.replace(/\r?\n[ \t]+/g, ' ').split('\n')) {
    const filter = /^X([^,\s]+)\s*,(.*)$/.exec(line);
    if (filter !== null) filters.push(readFilter(filter[1] ?? '', filter[2] ?? ''));
    const option = /^O\s*(InputMailFilters|DaemonPortOptions)\s*=(.*)$/i.exec(line);
    if (option?.[1]?.toLowerCase() === 'inputmailfilters') input = namesIn(option[2] ?? '', /[,\s]+/);
    else if (option !== null) {
      const equates = equatesIn(option[2] ?? '');
      const own = equates.get('I');
      if (own !== undefined)
        daemons.push({ name: equates.get('N') ?? 'a daemon', input: namesIn(own, /[;\s]+/) });
    }
  }
  return { filters, input, daemons };
}

function readFilter(name: string, rest: string): SendmailFilter {
  const equates = equatesIn(rest);
  const socket = equates.get('S') ?? '';
  const seconds = new Map<string, number>();
  for (const part of (equates.get('T') ?? '').split(';')) {
    const m = /^\s*([CSRE]):(\d{1,9})([smhdw]?)\s*$/i.exec(part);
    if (m !== null) seconds.set(m[1]?.toUpperCase() ?? '', Number(m[2]) * (UNITS[m[3] ?? ''] ?? 1));
  }
  return { name, socket, place: readSocket(socket), flags: equates.get('F') ?? '', seconds };
}

// libmilter/README: a number alone is of seconds.
const UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** By their first letter: that is all that Sendmail looks at. */
function equatesIn(text: string): Map<string, string> {
  const equates = new Map<string, string>();
  for (const part of text.split(',')) {
    const m = /^\s*([A-Za-z])\w*\s*=\s*(.*?)\s*$/.exec(part);
    if (m !== null) equates.set(m[1]?.toUpperCase() ?? '', m[2] ?? '');
  }
  return equates;
}

/** `inet:8891@127.0.0.1`, `inet6:8891@::1`, `unix:/path`, `local:/path`, `/path` */
function readSocket(text: string): Place | undefined {
  const inet = /^inet6?:(\d{1,5})@\[?([^\]\s]{1,255})\]?$/i.exec(text);
  if (inet !== null) return { host: (inet[2] ?? '').toLowerCase(), port: Number(inet[1]) };
  const path = /^(?:(?:unix|local):)?(\/.+)$/i.exec(text)?.[1];
  return path === undefined ? undefined : { path };
}

const namesIn = (text: string, between: RegExp): string[] =>
  text.split(between).filter((name) => name !== '');

// What libmilter/README gives where T= names nothing else.
const REPLY_SECONDS = 10;

export function tellMilterInSendmail(
  listener: Place,
  file: string,
  settings: SendmailSettings,
  { checksTimeoutMs }: { readonly checksTimeoutMs: number },
  tell: Telling,
): void {
  const { filters, input, daemons } = settings;
  const filter = filters.find(({ place }) => place !== undefined && meets(listener, place));
  const wait = checksTimeoutMs / 1000 + 10;
  const line = `INPUT_MAIL_FILTER(\`postern', \`S=${formatForSendmail(listener)}, F=T, T=S:30s;R:${wait}s;E:10m')`;
  if (filter === undefined) {
    const others = filters.map(({ name, socket }) => `${name} (${socket})`).join(', ');
    tell(
      'wrong',
      'sendmail-does-not-ask',
      `${file} has no filter at this address${others === '' ? '' : `, only ${quoted(others)}`}.`,
      `in sendmail.mc: ${line}; then make it, and restart Sendmail`,
    );
    return;
  }
  const { name, flags, seconds } = filter;
  if (!input.includes(name)) {
    tell(
      'wrong',
      'sendmail-filter-unused',
      `${file} defines the filter ${quoted(name)}, but InputMailFilters is ${quoted(input.join(', '))}.`,
      `in sendmail.mc: INPUT_MAIL_FILTER in place of MAIL_FILTER, or add it to confINPUT_MAIL_FILTERS`,
    );
  } else tell('well', 'sendmail-asks', `Sendmail asks it: filter ${quoted(name)} in InputMailFilters.`);
  for (const daemon of daemons) {
    if (daemon.input.includes(name)) continue;
    tell(
      'note',
      'others-do-not-ask',
      `The daemon ${quoted(daemon.name)} has its own InputMailFilters without it: mail that comes there is not seen.`,
    );
  }
  if (flags.includes('R'))
    tell(
      'wrong',
      'default-action',
      'While it is down, mail is refused for good (F=R).',
      'in sendmail.mc: F=T',
    );
  else if (flags.includes('T') || flags.includes('4'))
    tell('well', 'default-action', `While it is down, Sendmail defers mail (F=${flags}).`);
  else
    tell(
      'note',
      'default-action',
      'While it is down, mail passes unseen (no F=T).',
      'to defer it instead: F=T',
    );
  const reply = seconds.get('R') ?? REPLY_SECONDS;
  if (reply * 1000 <= checksTimeoutMs)
    tell(
      'wrong',
      'reply-timeout',
      `Sendmail waits ${reply} s for an answer (R of T=), the checks may take ${checksTimeoutMs / 1000} s (checks_timeout).`,
      `in sendmail.mc: ${line}`,
    );
}
