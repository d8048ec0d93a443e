import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createConnection, createServer } from 'node:net';

// Bursts must not strand clients without a banner; the kernel caps it at net.core.somaxconn.
const BACKLOG = 4096;

export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

export interface SocketPath {
  readonly path: string;
  /** Permission bits: connecting takes the right to write. */
  readonly mode: number;
  /** The group's number. Absent: our own. */
  readonly groupId?: number | undefined;
}

export type Endpoint = SocketAddress | SocketPath;

/** Who may use it aside. */
export const isSamePlace = (a: Endpoint, b: Endpoint): boolean =>
  'path' in a || 'path' in b
    ? 'path' in a && 'path' in b && a.path === b.path
    : a.host === b.host && a.port === b.port;

export interface Listener {
  /** As bound: the port is the real one where 0 was asked for. A Unix socket's path stands as the host, with port 0. */
  readonly address: SocketAddress;
  /** No new connections from here on; those that are open are the door's. */
  close(): Promise<void>;
}

/** Listens. Rejects with the system's error where the address cannot be bound. */
export async function listen(
  at: Endpoint,
  onConnection: (socket: Socket) => void,
  onError: (error: Error) => void,
): Promise<Listener> {
  const server = createServer({ noDelay: true }, onConnection);
  if ('path' in at) await bindPath(server, at);
  // `[::]` is IPv6 alone, so that it can stand beside `0.0.0.0` whatever the system's default.
  else await bind(server, { host: at.host, port: at.port, ipv6Only: at.host.includes(':') });
  // Out of file descriptors, for one: the listener goes on, the operator is told.
  server.on('error', onError);
  const bound = server.address() as AddressInfo | string;
  return {
    address: typeof bound === 'string' ? { host: bound, port: 0 } : { host: bound.address, port: bound.port },
    close: () =>
      new Promise((resolve) => {
        // Resolves once the last connection is gone as well, so the door does not wait for it.
        server.close();
        resolve();
      }),
  };
}

type Where = { readonly path: string } | (SocketAddress & { readonly ipv6Only: boolean });

function bind(server: Server, where: Where): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...where, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** A socket that is left of a run that was killed is in nobody's use: its place is taken. */
async function bindPath(server: Server, at: SocketPath): Promise<void> {
  const { path } = at;
  if (await isLeftOver(path)) unlinkSync(path);
  // Nobody may connect before group and mode are as they shall be.
  const before = process.umask(0o177);
  try {
    await bind(server, { path });
  } finally {
    process.umask(before);
  }
  try {
    letIn(at);
  } catch (error) {
    server.close();
    throw error;
  }
}

/** Says who may connect from now on. */
export function letIn({ path, mode, groupId }: SocketPath): void {
  chownSync(path, -1, groupId ?? process.getgid?.() ?? -1);
  chmodSync(path, mode);
}

function isLeftOver(path: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return Promise.resolve(false);
  return new Promise((resolve) => {
    const probe = createConnection({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
