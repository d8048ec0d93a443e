/** Everything the MTA, or its client through it, can make grow. */
export interface PolicyLimits {
  /** Without its LF. */
  readonly lineOctets: number;
  /** All lines of a request, with their LF. */
  readonly requestOctets: number;
  readonly attributes: number;
  /** How long the MTA may be silent, between requests and within one. */
  readonly idleMs: number;
}

export const DEFAULT_POLICY_LIMITS: PolicyLimits = {
  // What a client says is at most a command line of Postfix (line_length_limit, 2,048 octets); subjects of certificates are the
  // MTA's, and shorter.
  lineOctets: 8192,
  requestOctets: 65_536,
  // Postfix 3.12 has 31 of them.
  attributes: 100,
  // Postfix closes an idle connection after 300 s (smtpd_policy_service_max_idle) and a used one after 1,000 s.
  idleMs: 1_100_000,
};
