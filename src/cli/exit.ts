/** How a command ends (sysexits.h). 0 is good; 1 is a plain no, such as nothing found or a client refused. */
export const EX_USAGE = 64;
export const EX_NOINPUT = 66;
export const EX_SOFTWARE = 70;
/** The gate cannot start: an address, the data folder or a certificate cannot be used. */
export const EX_OSERR = 71;
export const EX_CONFIG = 78;
/** By Ctrl-C, as shells say it: 128 and the number of the signal. */
export const STOPPED = 130;

/** The command was used wrongly, or what it needs is not there: a line for the operator, and the exit code. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = EX_USAGE) {
    super(message);
    this.exitCode = exitCode;
  }
}
