/** Postfix's side of the policy delegation protocol, for tests. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Arrival } from './arrival.ts';
import { onEnd, type Cleanup } from './program.ts';

export class PolicyClient {
  readonly socket: Socket;
  #text = '';
  readonly #arrival: Arrival;
  readonly #timeoutMs: number;

  private constructor(socket: Socket, timeoutMs: number) {
    this.socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#arrival = new Arrival(socket, (bytes) => (this.#text += bytes.toString('utf8')));
  }

  get closed(): Promise<void> {
    return this.#arrival.closed;
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
    await this.#arrival.until(() => this.#text.includes('\n\n'), this.#timeoutMs, 'the service');
    const end = this.#text.indexOf('\n\n');
    if (end < 0) return undefined;
    const said = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 2);
    if (!said.startsWith('action=')) throw new Error(`the service said ${JSON.stringify(said)}`);
    return said.slice('action='.length);
  }
}
