/** What people are told of unasked: alerts and the daily summary. */
export interface Notice {
  readonly kind: 'alert' | 'summary';
  /** Of an alert: which one it is, the same when it is over. */
  readonly about: string;
  readonly state: 'firing' | 'cleared' | 'sent';
  readonly atMs: number;
  /** One line. */
  readonly subject: string;
  /** Lines of plain text. */
  readonly text: string;
}

/** One thing told, or to be told. */
export interface KeptNotice {
  readonly id: number;
  /** What has been told last of it: `firing`, `cleared`; of the summary its day. */
  readonly state: string;
  readonly notice: Notice;
}

/** Remembers what has been told, so that a restart neither tells it again nor forgets it. */
export interface NoticesPort {
  /**
   * In one step: notes that `about` stands at `state` now, and what is to be told of it (nothing, where the notice is absent). Undefined
   * where it stands there already.
   */
  change(about: string, state: string, notice?: Notice): number | undefined;
  /** Where it stands, and since when. */
  standing(about: string): { readonly state: string; readonly atMs: number } | undefined;
  /** Not told yet, oldest first; of each `about` the last alone. */
  waiting(): readonly KeptNotice[];
  /** It has been told, or there is no more use in trying. */
  told(id: number): void;
  /** In order. */
  since(sinceMs: number): readonly KeptNotice[];
}
