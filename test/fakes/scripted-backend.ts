import { once } from 'node:events';
import net from 'node:net';

/** What the fake says to a command, by its verb; a function sees the line. `END` is the reply to the final dot. */
export type Script = Readonly<Record<string, Answer>>;
/** Text is sent as it stands; `die` cuts the connection; `silent` never answers. */
export type Answer = string | { readonly do: 'die' | 'silent' } | ((line: string, nth: number) => Answer);

export const die: Answer = { do: 'die' };
export const silent: Answer = { do: 'silent' };

const WILLING: Script = {
  GREETING: '220 fake ESMTP\r\n',
  EHLO: '250-fake\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n',
  LHLO: '250-fake\r\n250 8BITMIME\r\n',
  HELO: '250 fake\r\n',
  XCLIENT: '220 fake ESMTP\r\n',
  MAIL: '250 2.1.0 Ok\r\n',
  RCPT: '250 2.1.5 Ok\r\n',
  DATA: '354 Go on\r\n',
  END: '250 2.0.0 Taken\r\n',
  RSET: '250 2.0.0 Ok\r\n',
  QUIT: '221 2.0.0 Bye\r\n',
};

/** An SMTP or LMTP server on loopback that does what its script says, and keeps what it heard. */
export class ScriptedBackend {
  /** All commands of all connections, in their order. */
  readonly heard: string[] = [];
  /** What came after DATA with its dot-stuffing and final dot, for each message. */
  readonly messages: string[] = [];
  connections = 0;
  readonly #script: Script;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #counts = new Map<string, number>();

  private constructor(script: Script) {
    this.#script = { ...WILLING, ...script };
    this.#server = net.createServer((socket) => this.#serve(socket));
  }

  /** On a free port, or on a Unix socket where a path is given. */
  static async start(script: Script = {}, path?: string): Promise<ScriptedBackend> {
    const backend = new ScriptedBackend(script);
    if (path === undefined) backend.#server.listen(0, '127.0.0.1');
    else backend.#server.listen(path);
    await once(backend.#server, 'listening');
    return backend;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Cuts what is connected now, and goes on serving. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Unasked. */
  sayToAll(text: string): void {
    for (const socket of this.#sockets) socket.write(text);
  }

  async stop(): Promise<void> {
    this.cutAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: net.Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    let rest = '';
    let inMessage = false;
    this.#say(socket, 'GREETING', '');
    socket.on('data', (bytes: Buffer) => {
      rest += bytes.toString('latin1');
      while (true) {
        if (inMessage) {
          const end = rest.startsWith('.\r\n') ? 0 : rest.indexOf('\r\n.\r\n');
          if (end === -1) return;
          const whole = end === 0 ? 3 : end + 5;
          this.messages.push(rest.slice(0, whole));
          rest = rest.slice(whole);
          inMessage = false;
          this.#say(socket, 'END', '');
        } else {
          const end = rest.indexOf('\r\n');
          if (end === -1) return;
          const line = rest.slice(0, end);
          rest = rest.slice(end + 2);
          this.heard.push(line);
          const verb = line.split(' ')[0] ?? '';
          const said = this.#say(socket, verb, line);
          inMessage = verb === 'DATA' && said.startsWith('354');
          if (verb === 'QUIT') socket.end();
        }
      }
    });
  }

  #say(socket: net.Socket, verb: string, line: string): string {
    const nth = (this.#counts.get(verb) ?? 0) + 1;
    this.#counts.set(verb, nth);
    let answer = this.#script[verb] ?? '500 5.5.1 What?\r\n';
    while (typeof answer === 'function') answer = answer(line, nth);
    if (typeof answer === 'string') {
      socket.write(answer);
      return answer;
    }
    if (answer.do === 'die') socket.destroy();
    return '';
  }
}
