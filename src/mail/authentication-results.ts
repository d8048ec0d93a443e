/** One `resinfo` of an Authentication-Results field (RFC 8601 2.2): `spf=pass smtp.mailfrom=a@example.net`. */
export interface AuthenticationResult {
  readonly method: 'spf' | 'iprev' | 'dkim' | 'dmarc' | 'arc' | 'auth';
  readonly result: string;
  /** A comment for people; without parentheses. */
  readonly comment?: string;
  /** By `ptype.property`. */
  readonly properties?: Readonly<Record<string, string>>;
}
