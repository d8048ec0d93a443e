import { z } from 'zod';
import { MAX_CONTACT, MAX_REPORT_TEXT } from '../../core/desk.ts';
import { plain } from './html.ts';

/** A text of the longest with three octets a character, each as %XX, and the same of the contact. */
export const MAX_BODY_OCTETS = 20_480;

export interface Typed {
  readonly contact: string;
  readonly text: string;
}

const typed = z.object({
  contact: z
    .string()
    .transform((said) => plain(said).replace(/\s+/g, ' ').trim())
    .pipe(z.string().max(MAX_CONTACT, `The address is longer than ${MAX_CONTACT} characters.`)),
  text: z
    .string()
    .transform((said) => plain(said).trim())
    .pipe(
      z
        .string()
        .min(1, 'Please write a sentence or two.')
        .max(MAX_REPORT_TEXT, `The text is longer than ${MAX_REPORT_TEXT} characters.`),
    ),
  // People do not see this field; programs that fill in every form fill it in.
  website: z.string().max(0, 'The last field has to stay empty.'),
});

/** What was typed, and what is wrong with it. */
export function readForm(body: unknown): Typed & { readonly problem?: string } {
  const fields = body instanceof URLSearchParams ? body : new URLSearchParams();
  const said = {
    contact: fields.get('contact') ?? '',
    text: fields.get('text') ?? '',
    website: fields.get('website') ?? '',
  };
  const read = typed.safeParse(said);
  if (read.success) return { contact: read.data.contact, text: read.data.text };
  return {
    contact: plain(said.contact).slice(0, MAX_CONTACT),
    text: plain(said.text).slice(0, MAX_BODY_OCTETS),
    problem: read.error.issues[0]?.message ?? 'That could not be read.',
  };
}
