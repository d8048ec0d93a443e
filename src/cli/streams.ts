/** Where a command writes: the program's own streams, or a test's. */
export interface Streams {
  out(text: string): void;
  err(text: string): void;
  readonly isTTY?: boolean;
}

export const STANDARD: Streams = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  isTTY: process.stdout.isTTY,
};
