/** A gate that asks a scanner about what its clients send. */
import { join } from 'node:path';
import { startDns } from '../dns.ts';
import { startGate } from '../gate.ts';
import { maildirMessages } from '../maildir.ts';
import type { Cleanup } from '../program.ts';
import { connectSmtp, sendMail } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';

export interface GuardedGate {
  readonly send: (message: string, localAddress: string) => ReturnType<typeof sendMail>;
  readonly delivered: () => Promise<readonly string[]>;
}

export async function startGuardedGate(cleanup: Cleanup, tables: string): Promise<GuardedGate> {
  const dir = await tempDir(cleanup);
  const box = join(dir, 'box');
  const gate = await startGate(cleanup, {
    dir,
    backend: `maildir:${box}`,
    dns: await startDns(cleanup, {}),
    tables,
  });
  return {
    send: async (message, localAddress) =>
      sendMail(await connectSmtp({ port: gate.port, localAddress }, cleanup), {
        from: 'sender@example.net',
        to: 'user@example.org',
        message,
      }),
    delivered: async () => (await maildirMessages(box)).map(String),
  };
}
