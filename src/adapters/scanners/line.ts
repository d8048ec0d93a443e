/**
 * A connection to a scanner: pieces out as fast as it takes them, its reply in through a reader of `wire/scanners`. One question at a
 * time. A scanner may answer before it has heard all (too large), stop reading, close either half or the whole: each of
 * these ends the exchange with what was said, or with the reason why nothing was. Nothing in it rejects, and nothing
 * outlives the signal.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import type { ScannerAddress } from '../../core/scanners.ts';
import { reasonOf } from './turns.ts';

export interface Reader<Reply> {
  readonly reply: Reply | undefined;
  receive(piece: Buffer): void;
  /** The connection ended. */
  end(): void;
}

export interface Exchange {
  readonly pieces: Iterable<Buffer> | AsyncIterable<Buffer>;
  /** Close our half behind the last piece. */
  readonly halfClose?: boolean;
}

export type Failed = { readonly kind: 'failed'; readonly reason: string };

export class Line {
  readonly #socket: Socket;
  #onBytes: ((piece: Buffer) => void) | undefined;
  #onOver: ((reason: string) => void) | undefined;
  #onRoom: (() => void) | undefined;
  #over: string | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (piece: Buffer) => {
      // What nobody asked for makes the next reply doubtful.
      if (this.#onBytes === undefined) this.cut('it speaks without being asked');
      else this.#onBytes(piece);
    });
    socket.on('drain', () => this.#onRoom?.());
    socket.on('end', () => this.#end('it closed the connection'));
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('it closed the connection'));
  }

  static async open(address: ScannerAddress, signal: AbortSignal): Promise<Line | Failed> {
    if (signal.aborted) return failed(reasonOf(signal));
    const socket =
      address.kind === 'unix'
        ? connectSocket({ path: address.path })
        : connectSocket({ host: address.host, port: address.port, noDelay: true });
    return new Promise((resolve) => {
      const settle = (outcome: Line | Failed) => {
        signal.removeEventListener('abort', onAbort);
        socket.off('error', onError).off('connect', onConnect);
        if ('kind' in outcome) socket.on('error', () => undefined).destroy();
        resolve(outcome);
      };
      const onAbort = () => settle(failed(`no connection: ${reasonOf(signal)}`));
      const onError = (error: Error) => settle(failed(`no connection: ${error.message}`));
      const onConnect = () => settle(new Line(socket));
      signal.addEventListener('abort', onAbort, { once: true });
      socket.once('error', onError).once('connect', onConnect);
    });
  }

  /** Whether another question may be asked. */
  get open(): boolean {
    return this.#over === undefined && !this.#socket.destroyed;
  }

  /** Octets that have come from it since it was opened. */
  get heardOctets(): number {
    return this.#socket.bytesRead;
  }

  async ask<Reply>(
    { pieces, halfClose = false }: Exchange,
    reader: Reader<Reply>,
    signal: AbortSignal,
  ): Promise<Reply | Failed> {
    if (signal.aborted) return failed(reasonOf(signal));
    if (this.#over !== undefined) return failed(this.#over);
    return new Promise((resolve) => {
      let settled = false;
      const settle = (outcome: Reply | Failed) => {
        if (settled) return;
        settled = true;
        signal.removeEventListener('abort', onAbort);
        this.#onBytes = undefined;
        this.#onOver = undefined;
        this.#onRoom?.();
        resolve(outcome);
      };
      const onAbort = () => {
        const reason = reasonOf(signal);
        settle(failed(reason));
        this.cut(reason);
      };
      this.#onBytes = (piece) => {
        reader.receive(piece);
        if (reader.reply !== undefined) settle(reader.reply);
      };
      this.#onOver = (reason) => {
        reader.end();
        settle(reader.reply ?? failed(reason));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#send(pieces, () => settled).then(
        (sent) => {
          // An answer before the end of the question leaves a line on which nobody knows what the next piece would mean.
          if (!sent) this.cut('it answered too early');
          else if (halfClose) this.#socket.end();
        },
        (error: unknown) => {
          const reason = `the message cannot be read: ${error instanceof Error ? error.message : String(error)}`;
          settle(failed(reason));
          this.cut(reason);
        },
      );
    });
  }

  /** Says this and leaves: nobody waits for an answer. */
  leave(goodbye?: Buffer): void {
    this.#over ??= 'it was left';
    this.#onBytes = () => undefined;
    if (goodbye === undefined) this.#socket.destroy();
    else this.#socket.end(goodbye, () => this.#socket.destroy());
  }

  cut(reason: string): void {
    this.#end(reason);
    this.#socket.destroy();
  }

  /** False when the exchange was over before all was sent. */
  async #send(pieces: Exchange['pieces'], isOver: () => boolean): Promise<boolean> {
    for await (const piece of pieces) {
      if (isOver()) return false;
      if (this.#socket.write(piece)) continue;
      // Or the exchange is over.
      await new Promise<void>((resolve) => (this.#onRoom = resolve));
      this.#onRoom = undefined;
    }
    return !isOver();
  }

  #end(reason: string): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    this.#onOver?.(reason);
  }
}

const failed = (reason: string): Failed => ({ kind: 'failed', reason });
