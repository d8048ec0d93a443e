/** Parameters of MAIL (RFC 1870, 6152, 6531, 3461). */
export interface MailParameters {
  readonly sizeOctets?: number;
  readonly body?: '7BIT' | '8BITMIME';
  readonly smtputf8?: true;
  readonly ret?: 'FULL' | 'HDRS';
  /** xtext, as it came. */
  readonly envid?: string;
}

/** Parameters of RCPT (RFC 3461), as they came. */
export interface RcptParameters {
  readonly notify?: string;
  readonly orcpt?: string;
}
