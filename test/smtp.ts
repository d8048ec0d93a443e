/** A client that says what a test tells it to, byte for byte, and nothing by itself. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { once } from 'node:events';
import { onEnd, type Cleanup } from './program.ts';

export interface Heard {
  readonly code: number;
  /** Each line with its code, without CRLF. */
  readonly lines: readonly string[];
}

export interface SmtpPeer {
  readonly socket: Socket;
  /** The next reply; rejects when the connection ends first. */
  reply(): Promise<Heard>;
  /** Sends the line with CRLF and waits for the reply. */
  say(line: string): Promise<Heard>;
  /** Sends as it stands; resolves when it is with the kernel. */
  write(bytes: string | Uint8Array): Promise<void>;
  /** Resolves when the other side has closed. */
  readonly closed: Promise<void>;
  startTls(): Promise<SmtpPeer>;
  close(): void;
}

export interface PeerOptions {
  readonly port: number;
  readonly host?: string;
  readonly localAddress?: string;
  readonly timeoutMs?: number;
}

export async function connectSmtp(options: PeerOptions, cleanup?: Cleanup): Promise<SmtpPeer> {
  const { port, host = '127.0.0.1', localAddress = '127.0.0.1' } = options;
  const socket = connect({ port, host, localAddress, noDelay: true });
  if (cleanup !== undefined) onEnd(cleanup, () => void socket.destroy());
  await once(socket, 'connect');
  return overSocket(socket, options.timeoutMs ?? 20_000);
}

function overSocket(socket: Socket, timeoutMs: number): SmtpPeer {
  let text = '';
  let lines: string[] = [];
  const heard: Heard[] = [];
  const waiting: { resolve: (h: Heard) => void; reject: (e: Error) => void }[] = [];
  let over: Error | undefined;
  const deliver = () => {
    while (heard.length > 0 && waiting.length > 0) waiting.shift()!.resolve(heard.shift()!);
    if (over !== undefined) for (const w of waiting.splice(0)) w.reject(over);
  };
  const hear = (bytes: Buffer) => {
    text += bytes.toString('latin1');
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      lines.push(line);
      if (line[3] === '-') continue;
      heard.push({ code: Number(line.slice(0, 3)), lines });
      lines = [];
    }
    deliver();
  };
  const end = (why: string) => {
    over ??= new Error(`connection over: ${why}`);
    deliver();
  };
  socket.on('data', hear);
  socket.on('error', (error) => end(error.message));
  const closed = new Promise<void>((resolve) => {
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        end(event === 'end' ? 'ended by the server' : 'closed');
        resolve();
      });
    }
  });
  socket.setTimeout(timeoutMs, () => {
    end(`nothing heard for ${timeoutMs} ms`);
    socket.destroy();
  });
  const reply = () => {
    const promise = new Promise<Heard>((resolve, reject) => waiting.push({ resolve, reject }));
    deliver();
    return promise;
  };
  const write = (bytes: string | Uint8Array) =>
    new Promise<void>((resolve) => {
      if (over === undefined)
        socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, () => resolve());
      else resolve();
    });
  return {
    socket,
    reply,
    write,
    say: async (line) => {
      await write(`${line}\r\n`);
      return reply();
    },
    closed,
    startTls: async () => {
      socket.removeAllListeners('data');
      const secure = connectTls({ socket, rejectUnauthorized: false });
      await once(secure, 'secureConnect');
      return overSocket(secure, timeoutMs);
    },
    close: () => socket.destroy(),
  };
}

/** Line by line up to the final reply: where it ended, and what was said. */
export async function sendMail(
  peer: SmtpPeer,
  mail: {
    readonly from: string;
    readonly to: string;
    readonly message: Uint8Array | string;
    readonly helo?: string;
  },
): Promise<{
  readonly step: 'banner' | 'ehlo' | 'mail' | 'rcpt' | 'data' | 'message';
  readonly heard: Heard;
}> {
  let heard = await peer.reply();
  if (heard.code !== 220) return { step: 'banner', heard };
  heard = await peer.say(`EHLO ${mail.helo ?? 'client.example.net'}`);
  if (heard.code !== 250) return { step: 'ehlo', heard };
  heard = await peer.say(`MAIL FROM:<${mail.from}>`);
  if (heard.code !== 250) return { step: 'mail', heard };
  heard = await peer.say(`RCPT TO:<${mail.to}>`);
  if (heard.code !== 250) return { step: 'rcpt', heard };
  heard = await peer.say('DATA');
  if (heard.code !== 354) return { step: 'data', heard };
  await peer.write(dotStuffed(mail.message));
  await peer.write('.\r\n');
  return { step: 'message', heard: await peer.reply() };
}

/** RFC 5321 4.5.2; the message ends in CRLF already. */
export function dotStuffed(message: Uint8Array | string): Buffer {
  const text = typeof message === 'string' ? message : Buffer.from(message).toString('latin1');
  return Buffer.from(text.replace(/^\./gm, '..'), 'latin1');
}
