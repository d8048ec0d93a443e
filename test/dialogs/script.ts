/**
 * Dialog scripts. A line is one of
 *   `# …`            a comment
 *   `=== key: value` an option: `about`; `postfix: yes` (true of a bare Postfix, too); `limits: TOML` and `tables: TOML` of the gate, one
 *                    line each; `listener: TOML` of its listener; `recipients: ADDRESS`, a line of its recipient file;
 *                    `until: REGEX`, a line of its log that has to come first;
 *                    `delivered: N` messages at the backend in the end (0 unless given); `from: 127.x.y.z`
 *   `-> text`        the client sends the line, with CRLF
 *   `->| text`       the client sends it without CRLF
 *   `<- 250 2.1.0`   the next reply begins so in its last line
 *   `<~ regex`       the next reply, its lines joined by LF, fits
 *   `<x`             the server closes
 *   `+++`            the client is gone, and comes again with a new connection
 * In what is sent, `\r`, `\n`, `\t`, `\0`, `\xHH` and `\\` stand for octets, and `{x*400}` for 400 times `x`.
 */
export type Step =
  | { readonly kind: 'send'; readonly bytes: string; readonly line: number }
  | { readonly kind: 'begins'; readonly text: string; readonly line: number }
  | { readonly kind: 'fits'; readonly regex: RegExp; readonly line: number }
  | { readonly kind: 'closed' | 'again'; readonly line: number };

export interface Script {
  readonly options: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

const OPTIONS = [
  'about',
  'postfix',
  'limits',
  'tables',
  'listener',
  'recipients',
  'until',
  'delivered',
  'from',
];

export function parseScript(text: string): Script {
  const options: Record<string, string> = {};
  const steps: Step[] = [];
  for (const [i, whole] of text.split('\n').entries()) {
    const line = i + 1;
    const [, mark, rest = ''] = /^(===|\+\+\+|->\||->|<-|<~|<x|#) ?(.*)$/.exec(whole) ?? [];
    if (mark === undefined && whole !== '') throw new Error(`line ${line}: no step: ${whole}`);
    if (mark === '->') steps.push({ kind: 'send', bytes: `${octets(rest)}\r\n`, line });
    else if (mark === '->|') steps.push({ kind: 'send', bytes: octets(rest), line });
    else if (mark === '<-') steps.push({ kind: 'begins', text: rest, line });
    else if (mark === '<~') steps.push({ kind: 'fits', regex: new RegExp(rest), line });
    else if (mark === '<x') steps.push({ kind: 'closed', line });
    else if (mark === '+++') steps.push({ kind: 'again', line });
    else if (mark === '===') {
      const [, key = '', value = ''] = /^(\w+): (.*)$/.exec(rest) ?? [];
      if (!OPTIONS.includes(key)) throw new Error(`line ${line}: no option: ${rest}`);
      options[key] = options[key] === undefined ? value : `${options[key]}\n${value}`;
    }
  }
  return { options, steps };
}

const ESCAPES: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' };

function octets(text: string): string {
  return text
    .replace(/\{([^{}*]+)\*(\d+)\}/g, (_, what: string, times: string) => what.repeat(Number(times)))
    .replace(/\\(?:x([0-9a-f]{2})|([rnt0\\]))/g, (_, hex: string | undefined, letter: string) =>
      hex === undefined ? (ESCAPES[letter] ?? '') : String.fromCharCode(parseInt(hex, 16)),
    );
}
