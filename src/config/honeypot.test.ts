import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Cleanup } from '../../test/program.ts';
import { tempDir } from '../../test/tempdir.ts';
import { honeypot } from '../checks/honeypot.ts';
import { load } from './load.ts';

const MINIMAL = 'host_name = "mx.example.org"\ndomains = ["example.org"]\n[backend]\nurl = "maildir:m"\n';
const LISTEN = '[[listen]]\naddress = "127.0.0.1:0"\n';

async function config(cleanup: Cleanup, text: string) {
  const file = join(await tempDir(cleanup), 'postern.toml');
  await writeFile(file, text);
  const loaded = load(file, [honeypot]);
  return 'problems' in loaded ? assert.fail(JSON.stringify(loaded.problems)) : loaded.config;
}

describe('a listener with a role', () => {
  it('is a honeypot, and the others take mail', async (t) => {
    const text = `${MINIMAL}${LISTEN}[[listen]]\naddress = "127.0.0.2:0"\nrole = "honeypot"\n`;
    const { listen, site, checks } = await config(t, text);
    assert.deepEqual(
      listen.map(({ role }) => role),
      [undefined, 'honeypot'],
    );
    assert.equal(site.honeypot, true);
    assert.equal(checks[0]!.idle, undefined);
  });

  it('is not needed', async (t) => {
    const { listen, site, checks } = await config(t, `${MINIMAL}${LISTEN}`);
    assert.deepEqual([listen[0]!.role, site.honeypot], [undefined, false]);
    assert.equal(checks[0]!.idle, 'no listener has role = "honeypot"');
  });
});
