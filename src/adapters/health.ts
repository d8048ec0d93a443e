/** How what the gate asks is doing, noticed from the asking itself: backends and scanners, wrapped. */
import { isFailure, type Backend, type BackendFailure, type Delivery } from '../core/delivery.ts';
import type { Scanner, ScanFailure } from '../core/scanners.ts';
import type { Dependency } from '../core/status.ts';

/** From here on somebody waits for it. */
const SLOW_MS = 5_000;
/** A dependency that nobody has asked for so long is probed; sooner one that is ill. */
const STALE_MS = 60_000;
const ILL_AGAIN_MS = 10_000;
const PROBE_MS = 10_000;

type Noted = Pick<Dependency, 'state' | 'detail'> & { readonly atMs: number };

interface Watched {
  readonly kind: Dependency['kind'];
  readonly name: string;
  readonly probe: (signal: AbortSignal) => Promise<unknown>;
  noted: Noted | undefined;
  isProbed: boolean;
}

export class Health {
  readonly #nowMs: () => number;
  /** As many as the configuration names. */
  readonly #watched: Watched[] = [];

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** The same backend; how it answers is noted. */
  backend(backend: Backend): Backend {
    const watched = this.#watch('backend', backend.url, (signal) => probe(signal));
    const note = (failed: BackendFailure | undefined, beganMs: number, signal: AbortSignal) => {
      // The client's end says nothing of the backend.
      if (failed?.kind === 'unreachable' && signal.aborted) return;
      this.#note(watched, failed?.kind === 'unreachable' ? failed.reason : undefined, beganMs);
    };
    const probe = async (signal: AbortSignal) => {
      const beganMs = this.#nowMs();
      const failed = await backend.probe(signal);
      this.#note(watched, failed?.kind === 'unreachable' ? failed.reason : undefined, beganMs);
      return failed;
    };
    return {
      url: backend.url,
      capabilities: () => backend.capabilities(),
      begin: async (envelope, signal): Promise<Delivery | BackendFailure> => {
        const beganMs = this.#nowMs();
        const begun = await backend.begin(envelope, signal);
        note(isFailure(begun) ? begun : undefined, beganMs, signal);
        return begun;
      },
      probe,
      close: () => backend.close(),
    };
  }

  scanner<V extends { readonly kind: string }>(
    name: string,
    scanner: Scanner<V> | undefined,
  ): Scanner<V> | undefined {
    if (scanner === undefined) return undefined;
    const failureOf = (answer: V | ScanFailure | undefined) =>
      answer?.kind === 'failed' || answer?.kind === 'busy'
        ? (answer as ScanFailure & { readonly reason: string }).reason
        : undefined;
    const probe = async (signal: AbortSignal) => {
      const beganMs = this.#nowMs();
      const failed = await scanner.probe(signal);
      this.#note(watched, failureOf(failed), beganMs);
      return failed;
    };
    const watched = this.#watch('scanner', name, probe);
    return {
      scan: async (question, signal) => {
        const beganMs = this.#nowMs();
        const answer = await scanner.scan(question, signal);
        // Given up because the client went; a deadline is another matter.
        const reason: unknown = signal.reason;
        if (signal.aborted && !(reason instanceof Error && reason.name === 'TimeoutError')) return answer;
        this.#note(watched, failureOf(answer), beganMs);
        return answer;
      },
      probe,
    };
  }

  /** Asks those of whom nothing has been heard for a while; at once, and without waiting for the answers. */
  probeStale(): void {
    const nowMs = this.#nowMs();
    for (const watched of this.#watched) {
      const { noted, isProbed } = watched;
      const agoMs = noted === undefined ? Infinity : nowMs - noted.atMs;
      if (isProbed || agoMs < (noted?.state === 'ill' ? ILL_AGAIN_MS : STALE_MS)) continue;
      watched.isProbed = true;
      void watched
        .probe(AbortSignal.timeout(PROBE_MS))
        // A probe never rejects; a fault of ours must not end the gate.
        .catch(() => undefined)
        .finally(() => (watched.isProbed = false));
    }
  }

  state(): Dependency[] {
    return this.#watched.map(({ kind, name, noted }) => {
      const { state = 'unknown', detail } = noted ?? {};
      return detail === undefined ? { kind, name, state } : { kind, name, state, detail };
    });
  }

  #watch(kind: Watched['kind'], name: string, probe: Watched['probe']): Watched {
    const watched: Watched = { kind, name, probe, noted: undefined, isProbed: false };
    this.#watched.push(watched);
    return watched;
  }

  #note(watched: Watched, failure: string | undefined, beganMs: number): void {
    const atMs = this.#nowMs();
    const tookMs = atMs - beganMs;
    if (failure !== undefined) watched.noted = { state: 'ill', detail: failure, atMs };
    else if (tookMs >= SLOW_MS)
      watched.noted = { state: 'slow', detail: `it took ${Math.round(tookMs / 1000)} s to answer`, atMs };
    else watched.noted = { state: 'ok', atMs };
  }
}
