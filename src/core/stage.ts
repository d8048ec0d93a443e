/** The moments of the dialogue at which a verdict can be given, in their order. */
export const STAGES = ['connect', 'helo', 'mail', 'rcpt', 'data', 'endOfMessage'] as const;
export type Stage = (typeof STAGES)[number];

/**
 * What asking a question costs, cheapest first (promise P2). `backend` stands last before the message because passing a
 * recipient on is part of the delivery itself: nothing may refuse the recipient afterwards. `dns` is one question to a
 * server, `dns-chain` several that lead to each other. `doubt` costs no more than `store`, but
 * what stands there asks only about clients that the rungs below cast doubt on (greylisting), so their clues have to be in.
 */
export const COSTS = [
  'memory',
  'store',
  'dns',
  'dns-chain',
  'doubt',
  'network',
  'backend',
  'parse',
  'scanner',
] as const;
export type Cost = (typeof COSTS)[number];

export const stageIndex = (stage: Stage): number => STAGES.indexOf(stage);
