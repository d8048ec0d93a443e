/** What mail servers print of their queues, read line by line: each reader is fed the beginnings of all lines, in order. */

export interface QueueCount {
  readonly messages: number;
  readonly byQueue?: Readonly<Record<string, number>>;
  /** How long the oldest has been there. */
  readonly oldestMs?: number;
}

export interface Listing {
  take(line: string): void;
  /** Throws where it was not what such a program prints. */
  count(): QueueCount;
}

// Postfix has five, and a site might patch in another.
const MAX_QUEUES = 20;
// The first of a line: nothing of a stranger stands before them.
const POSTFIX =
  /^\{"queue_name": ?"([a-z_-]{1,30})", ?"queue_id": ?"[^"]{1,40}", ?"arrival_time": ?(\d{1,12})\b/;

/** `postqueue -j` (Postfix 3.1 and later): a JSON object a line, a line a message. */
export function postfixListing(nowMs: number): Listing {
  const byQueue = new Map<string, number>();
  let messages = 0;
  let oldestAtMs = Infinity;
  let strange: string | undefined;
  return {
    take: (line) => {
      if (line === '') return;
      const m = POSTFIX.exec(line);
      if (m === null) {
        strange ??= line;
        return;
      }
      const [, queue = '', arrival = ''] = m;
      messages++;
      if (byQueue.has(queue) || byQueue.size < MAX_QUEUES) byQueue.set(queue, (byQueue.get(queue) ?? 0) + 1);
      oldestAtMs = Math.min(oldestAtMs, Number(arrival) * 1000);
    },
    count: () => {
      if (strange !== undefined) throw new Error(notLike('postqueue -j', strange));
      return { messages, byQueue: Object.fromEntries(byQueue), ...agedMs(oldestAtMs, nowMs) };
    },
  };
}

// ` 4h   278 1xUl5R-0002BX-0J <a@example.net> *** frozen ***`; ids have grown with Exim 4.97. The authenticated user may follow the id.
const EXIM =
  /^\s{0,4}(\d{1,6})([mhd])\s{1,6}[\d.]{1,10}[KMG]?\s{1,4}[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}\s(.*)$/;
const MINUTES = { m: 1, h: 60, d: 1440 } as const;

/** `exim -bp`: for each message a line, its recipients indented, an empty line. The lone number of `exim -bpc` is the count. */
export function eximListing(): Listing {
  let listed = 0;
  let frozen = 0;
  let oldestMs: number | undefined;
  let said: number | undefined;
  let strange: string | undefined;
  return {
    take: (line) => {
      if (line === '' || /^\s{6}/.test(line)) return;
      if (/^\d{1,9}$/.test(line)) {
        said = Number(line);
        return;
      }
      const m = EXIM.exec(line);
      if (m === null) {
        strange ??= line;
        return;
      }
      listed++;
      const age = Number(m[1]) * MINUTES[m[2] as keyof typeof MINUTES] * 60_000;
      oldestMs = Math.max(oldestMs ?? 0, age);
      if (m[3]?.endsWith('*** frozen ***') === true) frozen++;
    },
    count: () => {
      if (strange !== undefined && listed === 0 && said === undefined)
        throw new Error(notLike('exim -bpc or -bp', strange));
      const messages = Math.max(said ?? 0, listed);
      // Those that the list was cut before are not known to be frozen or not.
      const whole = listed >= messages && listed > 0;
      return {
        messages,
        ...(whole ? { byQueue: { frozen, waiting: messages - frozen } } : {}),
        ...(oldestMs === undefined ? {} : { oldestMs }),
      };
    },
  };
}

const TOTAL = /^\s{0,20}Total requests: (\d{1,9})\s{0,4}$/;
// `6ALDPeCI008900        3 Sat Nov 21 13:25 a1@example.net`; `*`, `-`, `X` or `?` behind the id say what is being done.
const SENDMAIL =
  /^[0-9A-Za-z]{8,20}[*X?+-]{0,2}\s{1,12}(?:\d{1,12}|\(.{1,20}\))\s{1,12}(?:[A-Z][a-z]{2} )([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d)\s/;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `mailq`, `sendmail -bp`: the sum stands in its last line. Times have neither year nor zone: they are the wall clock's. */
export function sendmailListing(nowMs: number): Listing {
  let total: number | undefined;
  let oldestAtMs = Infinity;
  let first: string | undefined;
  return {
    take: (line) => {
      if (line === '') return;
      first ??= line;
      const sum = TOTAL.exec(line);
      if (sum !== null) {
        total = (total ?? 0) + Number(sum[1]);
        return;
      }
      const m = SENDMAIL.exec(line);
      if (m === null) return;
      const atMs = inThePast(
        MONTHS.indexOf(m[1] ?? ''),
        Number(m[2]),
        Number(m[3]) * 60 + Number(m[4]),
        nowMs,
      );
      if (atMs !== undefined) oldestAtMs = Math.min(oldestAtMs, atMs);
    },
    count: () => {
      // Postfix has a `mailq` too, which says other things.
      if (total === undefined) throw new Error(notLike('mailq of Sendmail', first ?? ''));
      return { messages: total, ...agedMs(oldestAtMs, nowMs) };
    },
  };
}

/** One number. */
export function numberListing(): Listing {
  const lines: string[] = [];
  return {
    take: (line) => {
      if (line.trim() !== '' && lines.length < 2) lines.push(line.trim());
    },
    count: () => {
      const [only = ''] = lines;
      if (lines.length !== 1 || !/^\d{1,10}$/.test(only))
        throw new Error(notLike('a command that prints one number', lines.join(' ')));
      return { messages: Number(only) };
    },
  };
}

/** The last day of that name that is not in the future; clocks may differ by an hour where the summer ends. */
function inThePast(month: number, day: number, minutes: number, nowMs: number): number | undefined {
  if (month < 0) return undefined;
  const year = new Date(nowMs).getFullYear();
  const thisYear = new Date(year, month, day, 0, minutes).getTime();
  return thisYear <= nowMs + 3_600_000 ? thisYear : new Date(year - 1, month, day, 0, minutes).getTime();
}

const agedMs = (oldestAtMs: number, nowMs: number): { readonly oldestMs?: number } =>
  oldestAtMs === Infinity ? {} : { oldestMs: Math.max(0, nowMs - oldestAtMs) };

const notLike = (what: string, line: string): string =>
  line === ''
    ? `printed nothing, which is not like ${what}`
    : `printed "${line.slice(0, 80)}", which is not like ${what}`;
