/** Dates of header fields: RFC 5322 3.3 with the obsolete forms of 4.3. Text is a stranger's. */

// `Sat, 21 Nov 2026 09:00:00 +0100`, and room for a comment or two.
const MAX_OCTETS = 200;

const DATE =
  /(?:^|[\s,])(\d{1,2})[ -]{1,3}([a-z]{3})[a-z]{0,6}[ -]{1,3}(\d{2,4})\s{1,3}(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s{0,3}([+-]\d{4}|[a-z]{1,5})\b)?/i;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const ZONES: Readonly<Record<string, number>> = {
  edt: -4,
  est: -5,
  cdt: -5,
  cst: -6,
  mdt: -6,
  mst: -7,
  pdt: -7,
  pst: -8,
};

/** Milliseconds since 1970; undefined where it is no date. */
export function parseDate(value: string): number | undefined {
  const plain = value
    .slice(0, MAX_OCTETS)
    .replace(/\([^()]*\)/g, ' ')
    .trim();
  const m = DATE.exec(plain);
  if (m === null) return undefined;
  const [, day = '', monthName = '', yearText = '', hour = '', minute = '', second = '0', zone = ''] = m;
  const month = MONTHS.indexOf(monthName.toLowerCase());
  // RFC 5322 4.3: two digits are of this century up to 49, three count from 1900.
  const given = Number(yearText);
  const year = yearText.length === 4 ? given : given + (yearText.length === 2 && given < 50 ? 2000 : 1900);
  if (month < 0 || Number(day) < 1 || Number(day) > 31) return undefined;
  // RFC 5322 3.3: second 60 is a leap second.
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const utc = Date.UTC(year, month, Number(day), Number(hour), Number(minute), Number(second));
  return utc - zoneMinutes(zone) * 60_000;
}

function zoneMinutes(zone: string): number {
  const m = /^([+-])(\d{2})(\d{2})$/.exec(zone);
  // RFC 5322 4.3: a zone that nobody knows is as good as none.
  if (m === null) return (ZONES[zone.toLowerCase()] ?? 0) * 60;
  return (m[1] === '-' ? -1 : 1) * (Number(m[2]) * 60 + Number(m[3]));
}
