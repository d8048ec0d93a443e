/** Mail with files at the gate: archives are looked into for real. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { mailWith, PROGRAM, zipOf } from '../../../test/attached.ts';
import { DEFAULT_CHECKS, startGateway, type FakeWorldOptions } from '../../../test/fakes/gateway.ts';
import { onEnd } from '../../../test/program.ts';
import { sendMail } from '../../../test/smtp.ts';
import { Archives } from '../../adapters/archives/archives.ts';
import { attachments } from '../../checks/attachments.ts';
import { networkSet } from '../../mail/networks.ts';

const MAIL = { from: 'sender@example.net', to: 'user@example.org' };
const PACKED = mailWith({ name: 'invoice.zip', octets: zipOf([{ name: 'invoice.pdf', octets: PROGRAM }]) });
const DOCUMENT = mailWith({
  name: 'letter.docx',
  octets: zipOf([
    { name: '[Content_Types].xml', octets: '<Types/>' },
    { name: 'word/document.xml', octets: '<w:document/>' },
  ]),
});

function start(t: TestContext, options: FakeWorldOptions = {}) {
  const archives = new Archives({ atOnce: 1, maxWaiting: 10, waitMs: 20_000 }, []);
  onEnd(t, () => archives.close());
  return startGateway(t, {
    checks: [...(DEFAULT_CHECKS ?? []), [attachments]],
    times: { checksTimeoutMs: 20_000 },
    ports: { archives },
    ...options,
  });
}

describe('attachments at the gate', () => {
  it('are refused where they are programs, by the name of the file', async (t) => {
    const world = await start(t);
    const { heard } = await sendMail(await world.connect(), { ...MAIL, message: PACKED.toString('latin1') });
    assert.match(
      heard.lines[0] ?? '',
      /^550 5\.7\.1 Refused: "invoice\.pdf" in "invoice\.zip" is a program or works like one .* \(attachments\)\. Mistake\?/,
    );
    assert.deepEqual(world.backend.taken, []);
    const [decision] = await world.decided(1);
    assert.deepEqual([decision?.check, decision?.code], ['attachments', 'executable']);
  });

  it('go through where they are documents', async (t) => {
    const world = await start(t);
    const { heard } = await sendMail(await world.connect(), {
      ...MAIL,
      message: DOCUMENT.toString('latin1'),
    });
    assert.equal(heard.code, 250);
    assert.equal(world.backend.taken.length, 1);
  });

  it('go through from our own networks', async (t) => {
    const world = await start(t, { site: { networks: networkSet(['127.0.0.0/8']) } });
    const { heard } = await sendMail(await world.connect(), { ...MAIL, message: PACKED.toString('latin1') });
    assert.equal(heard.code, 250);
  });

  it('are deferred where nobody has time for them', async (t) => {
    const archives = { rules: 0, look: async () => ({ kind: 'busy', reason: 'so many' }) as const };
    const world = await start(t, { ports: { archives } });
    const { heard } = await sendMail(await world.connect(), {
      ...MAIL,
      message: DOCUMENT.toString('latin1'),
    });
    assert.match(heard.lines[0] ?? '', /^450 4\.3\.2 Not now: /);
  });
});
