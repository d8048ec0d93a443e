/** Long work that stops now and then for others to have their turn; it does not know whether anybody uses that. */
export type Slices<T> = Generator<undefined, T, undefined>;

export function atOnce<T>(work: Slices<T>): T {
  let step = work.next();
  while (step.done !== true) step = work.next();
  return step.value;
}
