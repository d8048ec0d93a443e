/** A scanner that does what a test says, connection by connection, and whose sockets are counted. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ScannerAddress, ScannerSettings, ScanQuestion } from '../../src/core/scanners.ts';
import { messagePort, factsOf } from './ask.ts';
import { onEnd, type Cleanup } from '../program.ts';

export interface FakeScanner {
  readonly settings: ScannerSettings;
  /** Connections so far, and those that are open now. */
  readonly connections: { all: number; open: number };
}

export async function fakeScanner(
  cleanup: Cleanup,
  onConnection: (socket: Socket, number: number) => void,
  settings: Partial<ScannerSettings> & { readonly dir?: string; readonly halfOpen?: boolean } = {},
): Promise<FakeScanner> {
  const { dir, halfOpen = false, ...others } = settings;
  const connections = { all: 0, open: 0 };
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: halfOpen }, (socket) => {
    connections.all++;
    connections.open++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      connections.open--;
      sockets.delete(socket);
    });
    onConnection(socket, connections.all);
  });
  if (dir === undefined) server.listen(0, '127.0.0.1');
  else server.listen(join(dir, 'socket'));
  await once(server, 'listening');
  onEnd(cleanup, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address: ScannerAddress =
    dir === undefined
      ? { kind: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port }
      : { kind: 'unix', path: join(dir, 'socket') };
  return {
    settings: { address, atOnce: 2, maxWaiting: 2, waitMs: 10_000, timeoutMs: 10_000, ...others },
    connections,
  };
}

/** Nobody listens there. */
export const NOBODY: ScannerAddress = { kind: 'unix', path: '/nonexistent/socket' };

/** Of a message from mail.example.net to a mailbox of ours. */
export function question(message: string | Buffer, pieceOctets?: number): ScanQuestion {
  const bytes = Buffer.from(message as string, 'latin1');
  const { session, transaction } = factsOf({ helo: 'mail.example.net', from: 'anna@example.net' });
  return {
    content: messagePort(bytes, pieceOctets).content,
    session,
    transaction: { ...transaction!, recipients: [{ local: 'bob', domain: 'example.org' }] },
    hostName: 'mail.example.net',
    by: 'mx.example.org',
  };
}
