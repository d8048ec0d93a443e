/** Real programs that peer tests talk to. Without one the test is skipped, except in CI, where it fails. */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Cleanup } from '../program.ts';

/** What of node:test's context a peer needs; a bench gives its own. */
export type Skippable = Cleanup & Pick<TestContext, 'skip'>;

/** Daemons live in the sbin folders, which are not on every user's path. */
const PLACES = [
  ...(process.env['PATH'] ?? '').split(':'),
  '/usr/sbin',
  '/sbin',
  '/usr/lib/postfix/sbin',
  '/usr/libexec/postfix',
];

/** The program's path, or undefined when the test is skipped. */
export function need(t: Skippable, program: string): string | undefined {
  const path = findProgram(program);
  if (path === undefined) lacking(t, `${program} is not installed`);
  return path;
}

/** Mounting, and Postfix's daemons with their own users. */
export function needRoot(t: Skippable): boolean {
  if (process.getuid?.() === 0) return true;
  lacking(t, 'needs root');
  return false;
}

export function lacking(t: Skippable, what: string): void {
  if (process.env['CI'] === 'true') throw new Error(`${what}: with CI=true nothing is skipped`);
  t.skip(what);
}

export function findProgram(program: string): string | undefined {
  return PLACES.map((place) => join(place, program)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
