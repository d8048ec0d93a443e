/** HTML in which everything put in is text: what strangers said cannot become markup. */
export interface Html {
  readonly html: string;
}

type Part = string | number | Html | readonly Html[] | undefined;

export function html(markup: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let out = markup[0] ?? '';
  for (const [i, part] of parts.entries()) out += textOf(part) + (markup[i + 1] ?? '');
  return { html: out };
}

function textOf(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'object') return 'html' in part ? part.html : part.map((p) => p.html).join('');
  return escaped(plain(String(part)));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c] ?? '');

// C0 and C1 controls but for tab and newline, and what hides or turns text round: bidi marks, zero-width characters, line
// separators, lone surrogates.
const HARMFUL =
  /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** What can be read of it, in the order in which it stands. */
export function plain(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(HARMFUL, '');
}
