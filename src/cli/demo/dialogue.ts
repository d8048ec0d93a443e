/** A sender of the demonstration speaks: its own socket, a PROXY header with the address it plays, and line by line SMTP. */
import { connect, type Socket } from 'node:net';

export interface Speaker {
  /** The whole reply to the last thing said; its code. */
  hear(): Promise<number>;
  say(line: string): Promise<number>;
  /** Pours out text without waiting for anything. */
  pour(text: string): void;
  hangUp(): void;
}

// Nobody in the demonstration waits longer for the gate than this.
const PATIENCE_MS = 10_000;

export async function dial(gate: { host: string; port: number }, address: string): Promise<Speaker> {
  const socket = connect(gate);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => undefined);
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  socket.write(`PROXY TCP4 ${address} 198.51.100.25 ${20_000 + Math.floor(Math.random() * 40_000)} 25\r\n`);
  const hear = replyReader(socket);
  return {
    hear,
    say(line) {
      socket.write(`${line}\r\n`);
      return hear();
    },
    pour: (text) => void socket.write(text),
    hangUp: () => socket.end(),
  };
}

/** Code of the next whole reply; 0 when the gate has hung up. */
function replyReader(socket: Socket): () => Promise<number> {
  const codes: number[] = [];
  let waiting: ((code: number) => void) | undefined;
  let over = false;
  let text = '';
  const give = (code: number) => {
    if (waiting === undefined) codes.push(code);
    else {
      waiting(code);
      waiting = undefined;
    }
  };
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      if (line.charAt(3) !== '-') give(Number(line.slice(0, 3)));
    }
  });
  socket.on('close', () => {
    over = true;
    give(0);
  });
  return () => {
    const code = codes.shift();
    if (code !== undefined) return Promise.resolve(code);
    if (over) return Promise.resolve(0);
    return new Promise((resolve) => (waiting = resolve));
  };
}
