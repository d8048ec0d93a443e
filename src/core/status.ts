/** A gate speaks so often. */
export const STATUS_EVERY_MS = 2_000;
/** What a gate said longer ago says nothing of now: it is dead, or hangs. Seven words are missing by then, which no busy machine swallows. */
export const STATUS_GOOD_MS = 15_000;
/** A dead gate's counters are served for longer, so that no collector misses the last of them; then it is forgotten. */
export const STATUS_KEPT_MS = 60_000;

/** Whether what the gate has said still holds, by the clock of whoever heard it; a step of that clock back makes no news of the future. */
export const isSpeaking = ({ atMs }: Pick<GateStatus, 'atMs'>, nowMs: number): boolean =>
  Math.abs(nowMs - atMs) <= STATUS_GOOD_MS;

/** How the gate is, as it says itself every two seconds to whoever watches it. Plain JSON: it goes from process to process. */
export interface GateStatus {
  readonly pid: number;
  readonly startedAtMs: number;
  readonly atMs: number;
  /** Hash of the configuration in force. */
  readonly policy: string;
  readonly listening: readonly { readonly door: string; readonly host: string; readonly port: number }[];
  /** `calm`, or what is done about new mail. */
  readonly load: { readonly level: string; readonly sample: Readonly<Record<string, number>> };
  readonly connections: { readonly now: number; readonly limit: number };
  readonly journal: { readonly recorded: number; readonly dropped: number };
  readonly dependencies: readonly Dependency[];
  /** As prom-client's `getMetricsAsJSON` gives them. */
  readonly metrics: readonly unknown[];
}

/** Something that the gate asks: a DNS list, a scanner, the backend. */
export interface Dependency {
  readonly kind: 'backend' | 'dns' | 'dns-list' | 'scanner' | 'certificate' | 'store' | 'journal';
  readonly name: string;
  readonly state: 'ok' | 'slow' | 'ill' | 'unknown';
  /** Why it is not well, in words. */
  readonly detail?: string | undefined;
}
