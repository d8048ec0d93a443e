/**
 * TLS on a client's connection, from the first octet or after STARTTLS (RFC 3207). The hello is the client's, the server name in it too
 * (RFC 6066 3): whatever fails on the way ends that one handshake and nothing else.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { SessionFacts } from '../../core/facts.ts';
import type { GatewayWorld } from './world.ts';

/** The server side of TLS over a socket, with a context by server name. */
export function serverSide(
  socket: Socket,
  context: SecureContext,
  world: Pick<GatewayWorld, 'secureContext' | 'trouble'>,
): TLSSocket {
  return new TLSSocket(socket, {
    isServer: true,
    secureContext: context,
    SNICallback: (name, done) => {
      let named: SecureContext | undefined;
      try {
        named = world.secureContext(name);
      } catch (error) {
        // Thrown on from here it would have no catch above it, and end the process.
        world.trouble('no certificate could be had for a server name', error);
        done(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      done(null, named);
    },
  });
}

/** TLS over a connection that has spoken plain SMTP: what it says from here on is for the TLS socket alone. */
export function overPlain(
  plain: Socket,
  context: SecureContext,
  world: Pick<GatewayWorld, 'secureContext' | 'trouble'>,
): TLSSocket {
  plain.removeAllListeners('data');
  plain.removeAllListeners('close');
  return serverSide(plain, context, world);
}

/**
 * Ends with the handshake: done, the other side or the time gone, or in an error, of which the reason alone is given: scanners fail by the
 * thousand, and a stack tells nothing of them. Unless it is done, the socket is destroyed.
 */
export async function handshake(
  secure: TLSSocket,
  timeoutMs: number,
): Promise<'done' | 'closed' | { readonly reason: string }> {
  const over = new Promise<'done' | 'closed' | { readonly reason: string }>((resolve) => {
    secure.once('secure', () => resolve('done'));
    secure.once('close', () => resolve('closed'));
    secure.on('error', ({ message }: Error) => resolve({ reason: message }));
  });
  const timer = setTimeout(() => secure.destroy(), timeoutMs);
  const outcome = await over;
  clearTimeout(timer);
  if (outcome !== 'done') secure.destroy();
  return outcome;
}

export function tlsFacts(socket: TLSSocket): NonNullable<SessionFacts['tls']> {
  return { protocol: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher().standardName };
}
