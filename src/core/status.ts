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
