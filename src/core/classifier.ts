/**
 * How likely a message is spam, from what its tokens were seen in: G. Robinson, "A Statistical Approach to the Spam Problem" (Linux
 * Journal 107, 2003), for a token's probability and for R. A. Fisher's combination of them, and his "Handling Redundancy in Email
 * Token Probabilities" (2004) for the share of tokens that counts as independent. Pure: counts in, score out.
 */

/** In how many messages of each kind. */
export interface Counts {
  readonly ham: number;
  readonly spam: number;
}

/** A token with what it was seen in. */
export interface TokenCounts extends Counts {
  readonly token: string;
}

export interface Combination {
  /** Robinson's s: how many messages the assumption about a token that was never seen weighs. */
  readonly strength: number;
  /** Tokens nearer to 0.5 than this say nothing and are left out. */
  readonly minDeviation: number;
  /** The share of the tokens that counts as independent: words of one sentence come together. */
  readonly independent: number;
}

/**
 * Chosen by cross-validation, see bench/classifier.ts. A token that was seen in messages of one kind alone counts from its first
 * message on, one seen in both only when it is at least so lopsided.
 */
export const COMBINATION: Combination = { strength: 0.1, minDeviation: 0.43, independent: 0.25 };

/** Robinson's x: what a token that was never seen is taken for. */
const UNKNOWN = 0.5;

export interface Scored {
  /** Between 0 (ham) and 1 (spam). */
  readonly score: number;
  /** The telling ones with their probability, in the order given. */
  readonly telling: readonly (TokenCounts & { readonly probability: number })[];
}

export function scoreOf(
  seen: readonly TokenCounts[],
  trained: Counts,
  combination: Combination = COMBINATION,
): Scored {
  const telling: (TokenCounts & { readonly probability: number })[] = [];
  for (const { token, ham, spam } of seen) {
    const probability = tokenProbability({ ham, spam }, trained, combination);
    if (isTelling(probability, combination)) telling.push({ token, ham, spam, probability });
  }
  return {
    score: combine(
      telling.map(({ probability }) => probability),
      combination,
    ),
    telling,
  };
}

/** Robinson's f(w), between 0 (ham) and 1 (spam): which kind a token speaks for, as far as it was seen often enough to know. */
export function tokenProbability(
  token: Counts,
  trained: Counts,
  { strength }: Pick<Combination, 'strength'> = COMBINATION,
): number {
  const seen = token.ham + token.spam;
  if (seen === 0 || trained.ham === 0 || trained.spam === 0) return UNKNOWN;
  // Shares of each kind, not numbers: a site that trained ten times as much ham is not ten times as sure of it.
  const ham = token.ham / trained.ham;
  const spam = token.spam / trained.spam;
  return (strength * UNKNOWN + seen * (spam / (ham + spam))) / (strength + seen);
}

export function isTelling(
  probability: number,
  { minDeviation }: Pick<Combination, 'minDeviation'> = COMBINATION,
): boolean {
  return Math.abs(probability - UNKNOWN) >= minDeviation;
}

/**
 * Robinson's indicator (1 + S - H) / 2 from Fisher's test of the telling tokens' probabilities: 1 is spam, 0 ham, and near 0.5 are
 * messages that speak for both or for neither.
 */
export function combine(probabilities: readonly number[], { independent } = COMBINATION): number {
  if (probabilities.length === 0) return UNKNOWN;
  let lnSpam = 0;
  let lnHam = 0;
  for (const p of probabilities) {
    lnSpam += Math.log(p);
    lnHam += Math.log(1 - p);
  }
  const count = Math.max(1, Math.round(probabilities.length * independent));
  const scale = count / probabilities.length;
  // Each is the chance of so few signs of one kind were there none: small where the other kind has it.
  const ham = chiSquareTail(-2 * lnSpam * scale, count);
  const spam = chiSquareTail(-2 * lnHam * scale, count);
  return (1 + ham - spam) / 2;
}

/** The chance that chi-square with `2 * pairs` degrees of freedom is at least `x`: e^-m (1 + m + m^2/2! + ...), m = x/2. */
export function chiSquareTail(x: number, pairs: number): number {
  const m = x / 2;
  if (m <= 0) return 1;
  // By logarithms: e^-m alone is 0 from m = 746 on.
  const lnM = Math.log(m);
  let lnTerm = -m;
  let sum = Math.exp(lnTerm);
  for (let i = 1; i < pairs; i++) {
    lnTerm += lnM - Math.log(i);
    sum += Math.exp(lnTerm);
  }
  return Math.min(1, sum);
}
