/** The dashboard's first page over a long journal, in a real browser: from asking for it until the ladder is drawn; and its parts by themselves. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LADDER } from '../src/checks/ladder.ts';
import { startAdmin } from '../src/cli/admin.ts';
import { setPassword } from '../src/cli/admin-users.ts';
import { load } from '../src/config/load.ts';
import { openStore } from '../src/adapters/store/sqlite.ts';
import { openBrowser } from '../test/browser/browser.ts';
import { onEnd, type Cleanup } from '../test/program.ts';
import { tempDir } from '../test/tempdir.ts';
import { median } from './measure.ts';

export interface Loaded {
  readonly what: string;
  readonly medianMs: number;
  readonly maxMs: number;
}

const PASSWORD = 'a password for the bench';
const TIMES = 7;
const PARTS = [
  '/api/now?minutes=60',
  '/api/now?minutes=1440',
  '/api/now?minutes=10080',
  '/api/decisions',
  '/api/decisions?outcome=refused',
  '/api/settings',
] as const;

/** `dir` has the journal; `atMs`: the clock of whoever looks. Empty where there is no browser. */
export async function firstPage(cleanup: Cleanup, dir: string, atMs: number): Promise<readonly Loaded[]> {
  const browser = await openBrowser({ ...cleanup, skip: () => undefined });
  if (browser === undefined) return [];
  const file = join(await tempDir(cleanup), 'postern.toml');
  await writeFile(
    file,
    `host_name = "mx.example.org"\ndomains = ["example.org"]\ndata_dir = "${dir}"\n` +
      '[[listen]]\naddress = "127.0.0.1:0"\n[backend]\nurl = "maildir:/nowhere"\n[admin]\nlisten = "127.0.0.1:0"\n',
  );
  const loaded = load(file, LADDER);
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  openStore(join(dir, 'store.sqlite')).close();
  await setPassword(loaded.config, { user: 'admin', password: PASSWORD });
  const trouble = (what: string, error: unknown) => process.stderr.write(`${what}: ${String(error)}\n`);
  const nothing = () => undefined;
  const admin = await startAdmin(
    loaded.config,
    { listening: nothing, closed: nothing, warned: nothing, trouble },
    { nowMs: () => atMs },
  );
  onEnd(cleanup, () => admin.stop());
  const url = `http://127.0.0.1:${admin.dashboard()?.port ?? 0}`;
  const page = await browser.newPage();
  await page.goto(url);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  const drawn = () => page.locator('.funnel li').first().waitFor();
  await drawn();
  const timed = async (what: string, act: () => Promise<unknown>): Promise<Loaded> => {
    const times: number[] = [];
    for (let i = 0; i < TIMES; i++) {
      const begunMs = performance.now();
      await act();
      times.push(performance.now() - begunMs);
    }
    return { what, medianMs: median(times), maxMs: Math.max(...times) };
  };
  const rows = [
    await timed('the first page, until the ladder is drawn', async () => {
      await page.goto(url);
      await drawn();
    }),
  ];
  for (const part of PARTS)
    rows.push(await timed(part, () => page.evaluate(`fetch(${JSON.stringify(part)}).then((r) => r.text())`)));
  return rows;
}
