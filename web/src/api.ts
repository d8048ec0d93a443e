/** Asks the server. What it answers is typed by `src/admin/api.ts`, which both sides share. */
import type { Me, Problem } from '../../src/admin/api.ts';

export class ApiError extends Error {
  readonly status: number;
  readonly field: string | undefined;

  constructor(status: number, { error, field }: Problem) {
    super(error);
    this.status = status;
    this.field = field;
  }
}

export const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

let csrf = '';
let onLoggedOut: () => void = () => undefined;

/** To be told when the server knows nobody any more. */
export function whenLoggedOut(tell: () => void): void {
  onLoggedOut = tell;
}

export function remember(me: Me): Me {
  csrf = me.csrf;
  return me;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** `/api/decisions?client=192.0.2.7`, without what is undefined or empty. */
export function address(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return text === '' ? path : `${path}?${text}`;
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> =>
  ask('GET', address(path, query), undefined, signal);
export const post = <T>(path: string, body: unknown = {}): Promise<T> => ask('POST', path, body);
export const remove = <T>(path: string, query?: Query, body?: unknown): Promise<T> =>
  ask('DELETE', address(path, query), body);

async function ask<T>(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: 'same-origin',
      headers: {
        accept: 'application/json',
        ...(method === 'GET' ? {} : { 'x-csrf-token': csrf }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ApiError(0, { error: 'The server does not answer. Is it running?' });
  }
  const text = await response.text();
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
  if (response.status === 401 && !path.startsWith('/api/login')) onLoggedOut();
  throw new ApiError(response.status, problemOf(text, response));
}

function problemOf(text: string, { status, statusText }: Response): Problem {
  try {
    const said = JSON.parse(text) as Partial<Problem>;
    if (typeof said.error === 'string') return { ...said, error: said.error };
  } catch {
    // No answer of ours: a proxy's.
  }
  return { error: `The server says ${status} ${statusText}` };
}
