import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onEnd, type Cleanup } from './program.ts';

/** A folder that goes when the test ends. Others may look into it: Postfix's daemons run under a user of their own. */
export async function tempDir(cleanup: Cleanup): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'postern-test-'));
  await chmod(dir, 0o755);
  onEnd(cleanup, () => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}
