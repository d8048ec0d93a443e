/**
 * Programs of Debian packages that `test/peers/unpack` has laid out in a folder, with the libraries that the machine lacks: for
 * mail servers that cannot be installed beside Postfix. They are told of users and host names of their own by nss_wrapper.
 */
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { lacking } from './peer.ts';

const PLACE = join(import.meta.dirname, '../../node_modules/.cache/peers');
const ROOT = join(PLACE, 'root');

export interface Unpacked {
  /** The path of a file within the packages: `usr/sbin/exim4`. */
  path(file: string): string;
  /** Folder of the libraries. */
  readonly libraries: string;
}

/** Undefined when the test is skipped. */
export function needUnpacked(t: TestContext): Unpacked | undefined {
  if (!existsSync(join(PLACE, 'complete'))) {
    lacking(t, 'Sendmail, Exim and miltertest are not unpacked (test/peers/unpack does it)');
    return undefined;
  }
  const lib = join(ROOT, 'usr/lib');
  const triplet = readdirSync(lib).find((name) => name.endsWith('-linux-gnu')) ?? '';
  return { path: (file) => join(ROOT, file), libraries: join(lib, triplet) };
}

export const NOBODY = 65534;
const HOST_NAME = 'mx.example.org';

/** The environment in which a program finds `libraries`, no host but this one, and `user` beside root and nobody. */
export async function ownWorld(
  dir: string,
  libraries: string,
  user: { readonly name: string; readonly id: number },
): Promise<Readonly<Record<string, string>>> {
  const files = {
    NSS_WRAPPER_PASSWD: `root:x:0:0::/:/bin/sh\n${user.name}:x:${user.id}:${user.id}::/:/bin/false\nnobody:x:${NOBODY}:${NOBODY}::/:/bin/false\n`,
    NSS_WRAPPER_GROUP: `root:x:0:\n${user.name}:x:${user.id}:\nmail:x:8:\nnogroup:x:${NOBODY}:\n`,
    NSS_WRAPPER_HOSTS: `127.0.0.1 ${HOST_NAME} localhost\n`,
  };
  const environment: Record<string, string> = {
    LD_LIBRARY_PATH: libraries,
    LD_PRELOAD: join(libraries, 'libnss_wrapper.so'),
    NSS_WRAPPER_HOSTNAME: HOST_NAME,
  };
  for (const [name, text] of Object.entries(files)) {
    const file = join(dir, name.toLowerCase());
    await writeFile(file, text);
    environment[name] = file;
  }
  return environment;
}
