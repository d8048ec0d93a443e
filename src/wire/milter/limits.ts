import type { MilterLimits } from './events.ts';

export const DEFAULT_MILTER_LIMITS: MilterLimits = {
  // libmilter takes 65,536 (MILTER_MAX_DATA_SIZE and the command), but Postfix sends a header field of up to
  // header_size_limit (102,400) whole, and operators raise that.
  frameOctets: 262_144,
  // The path and its parameters; RFC 5321 4.5.3.1.4 leaves room for a few dozen at most.
  arguments: 64,
  // MAXFILTERMACROS of Sendmail is 50 for a stage.
  macros: 100,
  // Subjects of certificates and the paths of senders are the long ones, with 2 KiB at most.
  macroOctets: 16_384,
  // As libmilter (MI_TIMEOUT): the client behind the MTA may be silent as long as the MTA lets it.
  commandMs: 7_210_000,
};
