/**
 * The name of an attached file as the system that opens it will take it. Names are a stranger's and made to mislead: `invoice.pdf.exe`,
 * forty spaces before the `.exe`, letters that turn the direction of writing so that `exe.pdf` is read backwards.
 */
export interface FileName {
  /** Without folders, and without what Windows drops: dots and spaces at the end, `::$DATA` behind them. */
  readonly base: string;
  /** Lower-case, without the dot; empty where there is none. */
  readonly extension: string;
  /** It is written so that people read another name. */
  readonly disguised: boolean;
}

// Bidirectional overrides turn letters round; embeddings and marks only say how a name in Arabic or Hebrew is set (Unicode UAX 9).
const OVERRIDES = /[\u202d\u202e]/;
const CONTROLS = /[\0-\x1f\x7f]/;
const INVISIBLE = /[\0-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
// The end of the name is pushed out of sight.
const GAP = /\s{8}\.?[^\s.]+\s*$/;

// What counts is the end.
const MAX_NAME = 1024;

export function fileName(said: string): FileName {
  const kept = said.slice(-MAX_NAME);
  const disguised = OVERRIDES.test(kept) || CONTROLS.test(kept) || GAP.test(kept);
  const visible = kept.replace(INVISIBLE, '');
  const folder = Math.max(visible.lastIndexOf('/'), visible.lastIndexOf('\\'));
  // `a.exe::$DATA` opens `a.exe`. Any other colon is an underscore once the file is saved.
  const base = trimmedEnd(visible.slice(folder + 1).replace(/::\$data$/i, '')).trimStart();
  const dot = base.lastIndexOf('.');
  const extension = dot < 0 ? '' : normalized(base.slice(dot + 1));
  return { base, extension, disguised };
}

// Win32 drops them when the file is opened.
function trimmedEnd(name: string): string {
  let end = name.length;
  while (end > 0 && (name[end - 1] === '.' || /\s/.test(name[end - 1] ?? ''))) end--;
  return name.slice(0, end);
}

/** Full-width letters and their like are no other letters to some unpackers. */
const normalized = (extension: string): string => extension.normalize('NFKC').trim().toLowerCase();

/** For a reply: ASCII, quoted, at most `max` characters with its end, since that says what it is. */
export function shownName(said: string, max = 60): string {
  const ascii = said.replace(/[^\x20-\x7e]|["\\]/gu, '?');
  const short = ascii.length <= max ? ascii : `...${ascii.slice(ascii.length - max + 3)}`;
  return `"${short}"`;
}
