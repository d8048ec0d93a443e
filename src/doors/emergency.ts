/**
 * The emergency (C7): a share of the connections from unknown clients is turned away at the door. Each client network has its
 * attempts counted, and passes with the same share of them, spread evenly: with 90 per cent turned away, every tenth.
 * Where in the ten a network begins is drawn from its address, so that of those who come once the same share passes.
 *
 * So an honest client that retries gets through at its tenth attempt at the latest, whatever the flood does, and one that
 * comes a thousand times takes nobody else's turn. A share drawn anew for each connection would promise the first to
 * nobody and would give the flood all the chances that it has connections; turns by the hour would be missed by clients
 * whose retries fall beside them.
 */
export function passes(network: string, attempt: number, turnAwayPercent: number): boolean {
  const share = 100 - turnAwayPercent;
  const from = spread(network) + (attempt - 1) * share;
  return Math.floor((from + share) / 100) > Math.floor(from / 100);
}

/**
 * What is turned away of clients in bad standing: they have half as many turns as the unknown, and one in a hundred at least. For a
 * single slip a client must not be shut out for as long as a flood lasts.
 */
export function turnedAwayOfBad(turnAwayPercent: number): number {
  const share = 100 - turnAwayPercent;
  return share === 0 ? 100 : 100 - Math.max(1, Math.floor(share / 2));
}

/** 0 to 99, the same for the same text: FNV-1a. */
function spread(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  // The low bits of neighbours differ in a pattern: the high ones are folded in.
  return ((hash ^ (hash >>> 15)) >>> 0) % 100;
}
