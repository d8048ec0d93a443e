/** From how many recipients that do not exist on it is a dictionary attack (E10). */
export interface GuessMarks {
  readonly perSession: number;
  readonly perNetwork: number;
}

/** What one session asked for: recipients that do not exist, and all. */
export interface Asked {
  readonly guesses: number;
  readonly asked: number;
}

const BENEFIT_OF_DOUBT = 4;

/** `isDoubtful`: a client in good standing (a real server with a stale list), or bounces to forged addresses: it takes so many times as many. */
export function marksFor({ perSession, perNetwork }: GuessMarks, isDoubtful: boolean): GuessMarks {
  const times = isDoubtful ? BENEFIT_OF_DOUBT : 1;
  return { perSession: perSession * times, perNetwork: perNetwork * times };
}

/** A list with some dead addresses on it is no attack: most of its recipients are there. */
export function isGuessing({ guesses, asked }: Asked, { perSession }: GuessMarks): boolean {
  return guesses >= perSession && guesses * 2 > asked;
}

/** A service that writes to whatever address a stranger enters into its forms is no guesser. `reached`: recipients that got their mail. */
export const isMixed = (guesses: number, reached: number): boolean => reached * 2 >= guesses;
