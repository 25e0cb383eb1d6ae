/** What the process ends with; scripts may rely on these. */
export const exitCodes = {
  ok: 0,
  /** It ran, but a check or an invariant did not hold, or what was asked for is not there. */
  failed: 1,
  /** The input was refused whole; the problems are on standard output. */
  refused: 2,
  /** A defect of this program. */
  internal: 3,
  /** The command line itself makes no sense (EX_USAGE). */
  usage: 64,
  /** Whoever read the output stopped listening (128 + SIGPIPE). */
  pipeClosed: 141,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** The worse of two outcomes: a defect before a refusal before a failed check. */
export const worse = (left: ExitCode, right: ExitCode): ExitCode => (left > right ? left : right);

export const exitCodesHelp = `
Exit codes:
  0    everything ran, and every invariant holds
  1    it ran, but an invariant does not hold, or there is nothing to explain
  2    the input was refused; the problems are listed on standard output
  3    an internal error
  64   wrong usage of the command line`;
