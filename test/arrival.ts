/** What comes to a test that plays the client on a socket: it waits for more of it, or for the end. */
import type { Socket } from 'node:net';

export class Arrival {
  readonly closed: Promise<void>;
  #over = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, take: (bytes: Buffer) => void) {
    socket.on('data', (bytes: Buffer) => {
      take(bytes);
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

  /** Until it is so, or the connection over; rejects when the time is. `from`: who says nothing. */
  async until(isSo: () => boolean, timeoutMs: number, from: string): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!isSo() && !this.#over) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`${from} said nothing for ${timeoutMs} ms`);
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
