/** Postfix's side of the policy delegation protocol, for tests. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { onEnd, type Cleanup } from './program.ts';

export class PolicyClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #text = '';
  #over = false;
  #wake: (() => void) | undefined;
  readonly #timeoutMs: number;

  private constructor(socket: Socket, timeoutMs: number) {
    this.socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('utf8');
      this.#wake?.();
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#over = true;
        this.#wake?.();
        resolve();
      });
    });
  }

  static async connect(
    at: { readonly port: number } | { readonly path: string },
    cleanup?: Cleanup,
    timeoutMs = 8_000,
  ): Promise<PolicyClient> {
    const socket = connect({ ...at });
    if (cleanup !== undefined) onEnd(cleanup, () => void socket.destroy());
    await once(socket, 'connect');
    return new PolicyClient(socket, timeoutMs);
  }

  /** The action without `action=`; undefined where the service closed without an answer. */
  async ask(attributes: Readonly<Record<string, string | number>>): Promise<string | undefined> {
    const lines = Object.entries({ request: 'smtpd_access_policy', ...attributes });
    this.socket.write(`${lines.map(([name, value]) => `${name}=${value}\n`).join('')}\n`);
    return this.answer();
  }

  async answer(): Promise<string | undefined> {
    const deadline = Date.now() + this.#timeoutMs;
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const said = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        if (!said.startsWith('action=')) throw new Error(`the service said ${JSON.stringify(said)}`);
        return said.slice('action='.length);
      }
      if (this.#over) return undefined;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`the service said nothing for ${this.#timeoutMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
