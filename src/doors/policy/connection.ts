import type { Socket } from 'node:net';
import { DEFAULT_POLICY_LIMITS } from '../../wire/policy/limits.ts';
import type { PolicyRequest } from '../../wire/policy/request.ts';
import { PolicyProtocol } from '../../wire/policy/service.ts';
import { GIVEN_UP } from './visit.ts';
import { visitKey, type Visits } from './visits.ts';
import type { PolicyWorld } from './world.ts';

// An MTA that never reads must not make us hoard answers for it.
const MAX_UNREAD_OCTETS = 65_536;

/** One connection of an MTA: bytes become requests, requests are answered in their turn. Trouble of ours is an end without an answer. */
export class PolicyConnection {
  readonly #world: PolicyWorld;
  readonly #visits: Visits;
  readonly #socket: Socket;
  readonly #protocol = new PolicyProtocol(DEFAULT_POLICY_LIMITS);
  #deadlineMs: number;
  readonly #gone = new AbortController();
  /** Of the message asked about last. */
  #visit = '';
  #stopping = false;
  #heardAll = false;

  constructor(world: PolicyWorld, visits: Visits, socket: Socket, onEnd: () => void) {
    this.#world = world;
    this.#visits = visits;
    this.#socket = socket;
    this.#deadlineMs = world.nowMs() + DEFAULT_POLICY_LIMITS.idleMs;
    socket.on('data', (bytes: Buffer) => {
      this.#protocol.receive(bytes);
      if (!this.#protocol.wantsAnswer) this.#pump();
    });
    // Exim's readsocket ends its side when it has asked, and reads until we end ours.
    socket.allowHalfOpen = true;
    socket.on('end', () => {
      this.#heardAll = true;
      if (!this.#protocol.wantsAnswer) socket.end();
    });
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => {
      this.#gone.abort(GIVEN_UP);
      onEnd();
    });
  }

  tick(nowMs: number): void {
    if (!this.#protocol.wantsAnswer && nowMs >= this.#deadlineMs) this.cut();
  }

  stop(): void {
    this.#stopping = true;
    if (!this.#protocol.wantsAnswer) this.cut();
  }

  cut(): void {
    this.#socket.destroy();
  }

  #pump(): void {
    const event = this.#protocol.next();
    this.#deadlineMs = this.#world.nowMs() + (this.#protocol.deadlineMs ?? 0);
    if (event === undefined) {
      if (this.#heardAll) this.#socket.end();
      return;
    }
    if (event.kind === 'bad') {
      this.#world.trouble('a bad policy request', event.error);
      this.cut();
      return;
    }
    void this.#answer(event.request);
  }

  async #answer(request: PolicyRequest): Promise<void> {
    try {
      // Postfix asks for one message after the other on a connection.
      const visit = visitKey(request);
      if (this.#visit !== '' && visit !== this.#visit) this.#visits.end(this.#visit);
      this.#visit = visit;
      const action = await this.#visits.answer(request, this.#gone.signal);
      if (this.#socket.destroyed) return;
      this.#socket.write(this.#protocol.answer(action));
      if (this.#socket.writableLength > MAX_UNREAD_OCTETS) {
        this.cut();
        return;
      }
    } catch (error) {
      // SMTPD_POLICY_README: in case of trouble no answer; the MTA tries again, and defers.
      if (error !== GIVEN_UP) this.#world.trouble('a policy request failed', error);
      this.cut();
      return;
    }
    if (this.#stopping) this.#socket.end();
    else this.#pump();
  }
}
