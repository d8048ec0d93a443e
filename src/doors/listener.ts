import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';

// Bursts must not strand clients without a banner; the kernel caps it at net.core.somaxconn.
const BACKLOG = 4096;

export interface Listener {
  /** As bound: the port is the real one where 0 was asked for. */
  readonly address: { readonly host: string; readonly port: number };
  /** No new connections from here on; those that are open are the door's. */
  close(): Promise<void>;
}

/** Listens. Rejects with the system's error where the address cannot be bound. */
export async function listen(
  at: { readonly host: string; readonly port: number },
  onConnection: (socket: Socket) => void,
  onError: (error: Error) => void,
): Promise<Listener> {
  const server = createServer({ noDelay: true }, onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // `[::]` is IPv6 alone, so that it can stand beside `0.0.0.0` whatever the system's default.
    server.listen({ host: at.host, port: at.port, backlog: BACKLOG, ipv6Only: at.host.includes(':') }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // Out of file descriptors, for one: the listener goes on, the operator is told.
  server.on('error', onError);
  const bound = server.address() as AddressInfo;
  return {
    address: { host: bound.address, port: bound.port },
    close: () =>
      new Promise((resolve) => {
        // Resolves once the last connection is gone as well, so the door does not wait for it.
        server.close();
        resolve();
      }),
  };
}
