/** Text that strangers sent, made fit to be shown. */

// C0 and C1 controls, and what hides or turns text round: bidi marks, zero-width characters, line separators, lone surrogates.
const HARMFUL =
  /[\0-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Safe for a terminal: it can neither move the cursor nor begin a line of its own. */
export function harmless(text: string): string {
  return text.replace(HARMFUL, escaped);
}

// JSON has escaped the C0 controls and lone surrogates in its texts, and stands in lines of its own.
const HARMFUL_IN_JSON = /[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** The same value: JSON knows these escapes (RFC 8259 7). */
export function harmlessJson(json: string): string {
  return json.replace(HARMFUL_IN_JSON, escaped);
}

export function jsonText(value: unknown, indent?: number): string {
  return harmlessJson(JSON.stringify(value, undefined, indent));
}

const escaped = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
