/** An answer that is not 2xx, thrown where it is found out; `message` is for the person before the page. */
export class Refused extends Error {
  readonly status: number;
  /** Of the form, that it is about. */
  readonly field: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: 400 | 401 | 403 | 404 | 409 | 421 | 422 | 429 | 503,
    message: string,
    about: { readonly field?: string; readonly retryAfterSeconds?: number } = {},
  ) {
    super(message);
    this.status = status;
    this.field = about.field;
    this.retryAfterSeconds = about.retryAfterSeconds;
  }
}

/** What somebody typed and another part of the program did not take: its problem is told as it is, faults of ours are not. */
export async function taken<T>(work: () => T | Promise<T>, field?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refused || !(error instanceof Error)) throw error;
    if (error.name !== 'Error' || 'code' in error) throw error;
    throw new Refused(422, error.message, field === undefined ? {} : { field });
  }
}
