import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { defineCheck } from '../core/check.ts';
import type { Finding } from '../core/finding.ts';
import { MAX_LIST_OCTETS, parseAddressList } from '../mail/addresses.ts';
import { parseDate } from '../mail/date.ts';
import { fieldValue, type Field, type Header } from '../mail/header.ts';

/** Plain JSON: nothing of the header itself but the name of a field. */
interface HeaderForm {
  readonly fields: number;
  readonly from: 'missing' | 'none' | 'one' | 'several';
  readonly sender: boolean;
  readonly date: 'missing' | 'unreadable' | 'read';
  /** The first field that stands there more often than it may. */
  readonly repeated?: string;
  readonly octets: 'ascii' | 'utf-8' | 'other';
  readonly controls: boolean;
}

// RFC 5322 3.6, the table: these may be there once at most. RFC 2045 3 and RFC 2183 for those of MIME.
const ONCE = new Set([
  'date',
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'bcc',
  'message-id',
  'in-reply-to',
  'references',
  'subject',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
]);

/**
 * M1: whether the header has the form that every mailer gives it. Software of spammers often fails at it, old and home-made
 * software does so now and then: each finding is a small weight and none refuses.
 */
export const headerForm = defineCheck({
  name: 'header-form',
  summary: 'The header has From and Date, each field as often as it may be, and text that can be read.',
  stage: 'endOfMessage',
  cost: 'parse',
  codes: {
    ok: 'nothing is wrong with it',
    'no-header': 'the message has no header at all',
    'no-from': 'it has no From field',
    'bad-from': 'its From field has no address',
    'no-sender': 'From names several authors, and no Sender field says which of them sent it',
    'no-date': 'it has no Date field',
    'bad-date': 'its Date field holds no date',
    repeated: 'a field that may be there once is there more often',
    '8-bit': 'it has UTF-8 beyond ASCII, and the client did not say SMTPUTF8',
    'bad-text': 'it has octets that are neither ASCII nor UTF-8',
    control: 'it has control characters',
  },
  settings: z.strictObject({}),
  defaults: {
    on_fail: 'suspect',
    on_temperror: 'go-on',
    weight: 1,
    refuse_at: 'rcpt',
    // Most senders of raw UTF-8 are honest mailers that overlook RFC 6531.
    actions: { '8-bit': 'observe' },
  },
  lifted: 'by-any',
  gather: (_facts, { message }): HeaderForm | null => (message === undefined ? null : formOf(message.header)),
  judge({ transaction }, form) {
    if (form === null) return [{ result: 'none', code: 'ok', text: 'there is no message to look at' }];
    const found: Finding[] = [];
    const fail = (code: string, text: string) =>
      found.push({ result: 'fail', code, text: `the header ${text}`, enhanced: '5.6.0' });
    if (form.fields === 0) fail('no-header', 'is missing');
    else {
      if (form.from === 'missing') fail('no-from', 'has no From field');
      if (form.from === 'none') fail('bad-from', 'names no author in its From field');
      if (form.from === 'several' && !form.sender) fail('no-sender', 'names several authors and no sender');
      if (form.date === 'missing') fail('no-date', 'has no Date field');
      if (form.date === 'unreadable') fail('bad-date', 'has no date in its Date field');
      if (form.repeated !== undefined) fail('repeated', `has the field ${form.repeated} more than once`);
      if (form.octets === 'other') fail('bad-text', 'has octets that are neither ASCII nor UTF-8');
      // RFC 6531 3.1: only who says SMTPUTF8 may send such a header.
      if (form.octets === 'utf-8' && transaction.parameters.smtputf8 !== true)
        fail('8-bit', 'has UTF-8 without SMTPUTF8');
      if (form.controls) fail('control', 'has control characters');
    }
    return found.length > 0 ? found : [{ result: 'pass', code: 'ok', text: 'the header is well formed' }];
  },
});

function formOf(header: Header): HeaderForm {
  const { bytes, end, fields } = header;
  const first = new Map<string, Field>();
  let repeated: string | undefined;
  for (const field of fields) {
    const name = field.name.length <= MAX_NAME ? field.name.toLowerCase() : '';
    if (!ONCE.has(name)) continue;
    if (!first.has(name)) first.set(name, field);
    else repeated ??= name;
  }
  const value = (name: string): string | undefined => {
    const field = first.get(name);
    return field === undefined
      ? undefined
      : fieldValue(bytes, { ...field, end: Math.min(field.end, field.start + MAX_LIST_OCTETS) });
  };
  const date = value('date');
  const text = bytes.toString('latin1', 0, end);
  return {
    fields: fields.length,
    from: fromOf(value('from')),
    sender: first.has('sender'),
    date: date === undefined ? 'missing' : parseDate(date) === undefined ? 'unreadable' : 'read',
    ...(repeated === undefined ? {} : { repeated }),
    octets: !EIGHT_BIT.test(text) ? 'ascii' : isUtf8(bytes.subarray(0, end)) ? 'utf-8' : 'other',
    controls: CONTROL.test(text),
  };
}

// The longest name in `ONCE` is shorter.
const MAX_NAME = 30;
const EIGHT_BIT = /[\x80-\xff]/;
// RFC 5322 2.2: printable characters, space and tab; folding needs line ends.
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

function fromOf(value: string | undefined): HeaderForm['from'] {
  if (value === undefined) return 'missing';
  const { mailboxes } = parseAddressList(value);
  return mailboxes.length === 0 ? 'none' : mailboxes.length === 1 ? 'one' : 'several';
}
