/** What `postern doctor` has to say about one thing. */
export interface Told {
  /** What was looked at: `milter 127.0.0.1:8891`. */
  readonly about: string;
  /** `note`: it works, and the operator should know. */
  readonly state: 'well' | 'note' | 'wrong';
  /** Stable, for programs that read the JSON. */
  readonly code: string;
  readonly text: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** The same for all that is told of one thing. */
export type Telling = (state: Told['state'], code: string, text: string, remedy?: string) => void;

export function tellingOf(about: string, told: Told[]): Telling {
  return (state, code, text, remedy) => {
    told.push({ about, state, code, text, ...(remedy === undefined ? {} : { remedy }) });
  };
}

/** A setting of the MTA, quoted: it can be as long as the MTA lets it. */
export function quoted(value: string): string {
  const text = value.replace(/\s+/g, ' ').trim();
  return text === '' ? 'empty' : `"${text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED - 1)}…` : text}"`;
}

const MAX_QUOTED = 160;
