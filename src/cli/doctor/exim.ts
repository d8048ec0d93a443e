/** What Exim's configuration says of a policy listener: an ACL that asks it by `${readsocket{…}}` (Exim's specification, chapter 11). */
import { formatPlace, meets, readHostAndPort, type Place } from './place.ts';
import { quoted, type Telling } from './told.ts';

const MAX_FILES = 50;

/**
 * The text with the files that it includes in their places, as Exim reads it. Conditions (`.ifdef`) are not heeded: what stands
 * below one counts.
 */
export function withIncludes(text: string, read: (file: string) => string | undefined): string {
  let files = 0;
  const macros = macrosOf(text);
  const expand = (part: string): string =>
    part.replace(/^[ \t]*\.include(?:_if_exists)?[ \t]+(\S.*?)[ \t]*$/gm, (line, name: string) => {
      if (++files > MAX_FILES) return line;
      const included = read(filled(name, macros));
      return included === undefined ? line : expand(included);
    });
  return expand(text);
}

interface Asked {
  readonly text: string;
  readonly place: Place | undefined;
  /** The ACL that it stands in. */
  readonly acl: string | undefined;
}

/** All that is asked by `${readsocket`, with macros filled in; lines that are comments are none. */
export function readEximSockets(text: string): Asked[] {
  const lines = withoutComments(text).replace(/\\\n\s*/g, '');
  const macros = macrosOf(lines);
  return [...lines.matchAll(/\$\{\s*readsocket\s*\{([^{}\n]{1,1024})\}/g)].map(({ index, 1: asked }) => {
    const socket = filled((asked ?? '').trim(), macros);
    const acl = [...lines.slice(0, index).matchAll(/^[ \t]*([A-Za-z]\w*):[ \t]*$/gm)].at(-1)?.[1];
    return { text: socket, place: readSocket(socket), acl };
  });
}

function macrosOf(text: string): ReadonlyMap<string, string> {
  const macros = new Map<string, string>();
  for (const [, name, value] of text.matchAll(/^[ \t]*([A-Z]\w{0,63})[ \t]*==?[ \t]*(.*)$/gm))
    macros.set(name ?? '', (value ?? '').trim());
  return macros;
}

const filled = (text: string, macros: ReadonlyMap<string, string>): string =>
  text.replace(/[A-Z]\w*/g, (word) => macros.get(word) ?? word);

const withoutComments = (text: string): string =>
  text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n');

/** `inet:127.0.0.1:10023`, `inet:[::1]:10023`, `/path` */
function readSocket(text: string): Place | undefined {
  if (text.startsWith('/')) return { path: text };
  return text.toLowerCase().startsWith('inet:') ? readHostAndPort(text.slice('inet:'.length)) : undefined;
}

export function tellPolicyInExim(listener: Place, file: string, text: string, tell: Telling): void {
  const asked = readEximSockets(text);
  const found = asked.find(({ place }) => place !== undefined && meets(listener, place));
  if (found === undefined) {
    const others = asked.map((one) => one.text).join(', ');
    tell(
      'wrong',
      'exim-does-not-ask',
      `${file} has no \${readsocket} with ${formatPlace(listener)}${others === '' ? '' : `, only with ${quoted(others)}`}.`,
      'add the lines of docs/guide/exim.md; then restart Exim',
    );
    return;
  }
  const lines = withoutComments(text);
  const { acl } = found;
  // `acl_smtp_rcpt = NAME`, `require acl = NAME RCPT`, `${acl{NAME}{RCPT}}`
  if (acl !== undefined && !new RegExp(`\\bacl(?:_\\w+)?\\s*[={]\\s*${acl}\\b`).test(lines)) {
    tell(
      'wrong',
      'exim-acl-unused',
      `${file} has an ACL ${quoted(acl)} that asks it, but no other ACL calls that.`,
      `in the ACL at RCPT: require acl = ${acl} RCPT; then restart Exim`,
    );
    return;
  }
  tell('well', 'exim-asks', `Exim asks it: \${readsocket{${found.text}} in ${file}.`);
  if (!/\bEND-OF-MESSAGE\b/.test(lines))
    tell(
      'note',
      'not-at-end-of-data',
      'Exim does not ask it at the end of the message: it never hears that a delivery went well.',
      `in the ACL at DATA: require acl = ${acl ?? 'acl_postern'} END-OF-MESSAGE`,
    );
}
