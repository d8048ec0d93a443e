import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from '../program.ts';
import { connectSmtp } from '../smtp.ts';

const START_MS = 20_000;
const GREETING_MS = 2000;

/** A server that listens but cannot serve takes connections and says nothing: each gets its own deadline, and so do all. */
export async function untilGreeting(
  name: string,
  port: number,
  program: Program,
  log: () => Promise<string>,
): Promise<void> {
  const end = Date.now() + START_MS;
  let over: number | string | undefined;
  void program.ended.then((how) => (over = how));
  while (true) {
    let reason: unknown;
    try {
      const peer = await connectSmtp({ port, timeoutMs: GREETING_MS });
      const { code } = await peer.reply().finally(() => peer.close());
      if (code === 220) return;
      reason = `it greets with ${code}`;
    } catch (error) {
      reason = error;
    }
    if (Date.now() > end || over !== undefined) {
      const state = over === undefined ? `did not greet within ${START_MS} ms` : `ended with ${over}`;
      const tail = (await log()).slice(-3000) || '(empty)';
      throw new Error(`${name} on port ${port} ${state} (${String(reason)}); its log ends:\n${tail}`);
    }
    await sleep(50);
  }
}
