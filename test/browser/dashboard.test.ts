/**
 * The dashboard in a real browser, over the demonstration's own gate: what a postmaster does with a refused message, and what a refused
 * sender does. `SCREENSHOTS=docs/images` keeps the pictures of the pages.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { openDesk } from '../../src/adapters/desk/sqlite.ts';
import { startProgram, type Cleanup } from '../program.ts';
import { connectSmtp, sendMail } from '../smtp.ts';
import { tempDir } from '../tempdir.ts';
import { openBrowser, watched } from './browser.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const SHOTS = process.env['SCREENSHOTS'];
/** The shop stands on the block list by mistake. */
const SHOP = {
  address: '192.0.2.66',
  helo: 'mail.shop.example',
  from: 'it@shop.example',
  to: 'bea@example.org',
};
const HOSTILE = '<img src=x onerror=alert(1)>';

interface Demo {
  readonly url: string;
  readonly password: string;
  readonly data: string;
  /** The last reply. */
  readonly send: (letter: Letter) => Promise<string>;
}

interface Letter {
  readonly address: string;
  readonly helo: string;
  readonly from: string;
  readonly to: string;
  readonly subject?: string;
}

async function startDemo(t: Cleanup): Promise<Demo> {
  const dir = await tempDir(t);
  const demo = startProgram(
    t,
    process.execPath,
    ['--disable-warning=ExperimentalWarning', MAIN, 'demo', '--stay'],
    {
      env: { TMPDIR: dir },
    },
  );
  const port = (await demo.line(/on 127\.0\.0\.1:(\d+), its honeypot/))[1]!;
  const mail = await demo.line(/^Maildirs in (.*)\/mail$/);
  const url = (await demo.line(/^The dashboard: (http:\S+)/, 120_000))[1]!;
  const password = (await demo.line(/user admin, password (\S+)/))[1]!;
  return {
    url,
    password,
    data: join(mail[1]!, 'data'),
    async send({ address, subject = 'Order', ...letter }) {
      const smtp = await connectSmtp({ port: Number(port) });
      await smtp.write(`PROXY TCP4 ${address} 198.51.100.25 40000 25\r\n`);
      const { from, to } = letter;
      const message = `From: <${from}>\r\nTo: <${to}>\r\nSubject: ${subject}\r\nDate: Sat, 21 Nov 2026 08:00:00 +0000\r\n\r\nHello.\r\n`;
      const { heard } = await sendMail(smtp, { ...letter, message });
      smtp.close();
      return heard.lines.join(' ');
    },
  };
}

async function logIn(page: Page, { url, password }: Demo): Promise<void> {
  await page.goto(url);
  await page.getByLabel('User').fill('admin');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: 'Now', level: 1 }).waitFor();
}

async function shot(page: Page, name: string): Promise<void> {
  if (SHOTS === undefined) return;
  await page.waitForTimeout(600);
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}

async function visit(page: Page, name: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
  await page.getByRole('heading', { name, level: 1 }).waitFor();
}

async function open(t: Cleanup, browser: Browser, complaints: string[], dark = false): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
  });
  t.after(() => context.close());
  return watched(await context.newPage(), complaints);
}

it('a postmaster and a refused sender', { timeout: 240_000 }, async (t) => {
  const browser = await openBrowser(t);
  if (browser === undefined) return;
  const demo = await startDemo(t);
  const complaints: string[] = [];
  const page = await open(t, browser, complaints);

  await t.test('a wrong password', async () => {
    await page.goto(demo.url);
    await page.getByLabel('User').fill('admin');
    await page.getByLabel('Password').fill('guessed');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').waitFor();
    assert.equal(await page.getByRole('navigation').count(), 0);
  });

  await t.test('live traffic', async () => {
    await logIn(page, demo);
    await page.getByRole('region', { name: 'Live' }).locator('tbody tr').nth(2).waitFor({ timeout: 30_000 });
    const tiles = await page.locator('.tile').allInnerTexts();
    assert.ok(
      tiles.some((text) => /rejected\s+[1-9]/.test(text)),
      tiles.join(),
    );
    assert.ok((await page.locator('.funnel li').count()) > 3);
    await shot(page, 'now');
  });

  await t.test('found by its id, let in, and delivered when it comes again', async () => {
    const refused = await demo.send(SHOP);
    assert.match(refused, /^55[04] /);
    const id = /\/r\/([0-9A-Z]{8})/.exec(refused)?.[1];
    assert.ok(id !== undefined, refused);
    await visit(page, 'Decisions');
    await page.getByLabel('Id', { exact: true }).fill(id);
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('link', { name: id }).click();
    await page.locator('.verdict-words').waitFor();
    assert.match(await page.locator('.verdict-words').innerText(), /refused/i);
    assert.match(await page.locator('.story').innerText(), /dnsbl/);
    await shot(page, 'decision');
    await page.getByRole('button', { name: 'Let in…' }).click();
    await page.getByText('It would also have').waitFor();
    await page.getByLabel('Why').fill('a customer');
    await shot(page, 'let-in');
    await page.getByRole('dialog').getByRole('button', { name: 'Let in' }).click();
    await page.getByText(/^Let in: /).waitFor();
    await again(() => demo.send(SHOP), /^250 /);
    await visit(page, 'Lists');
    await page.getByRole('cell', { name: 'a customer' }).waitFor();
    await shot(page, 'lists');
  });

  await t.test('a mistake reported by the sender, and answered', async () => {
    const guest = { ...SHOP, address: '192.0.2.67', helo: 'mail2.shop.example', from: 'sales@shop.example' };
    const refused = await demo.send(guest);
    const address = /http:\S+\/r\/[0-9A-Z]{8}/.exec(refused)?.[0];
    assert.ok(address !== undefined, refused);
    const sender = await open(t, browser, complaints);
    await sender.goto(address);
    await shot(sender, 'report-page');
    await sender.locator('textarea').fill(`We sell you flowers. ${HOSTILE}`);
    await sender.getByRole('button').first().click();
    await sender
      .getByText(/report/i)
      .first()
      .waitFor();
    await visit(page, 'Reports');
    await page.locator('blockquote', { hasText: 'We sell you flowers.' }).waitFor();
    assert.match(await page.locator('blockquote').first().innerText(), /<img src=x/);
    await shot(page, 'reports');
    await page.getByLabel('Answer, which the sender reads').fill('Sorry, you are welcome now.');
    await page.getByRole('button', { name: 'Let in', exact: true }).click();
    await page.getByText('No reports here.').waitFor();
    await sender.goto(address);
    await sender.getByText('Sorry, you are welcome now.').waitFor();
    await again(() => demo.send(guest), /^(250|45\d) /);
  });

  await t.test('a script in a subject, a HELO name and a sender', async () => {
    await demo.send({
      address: '203.0.113.10',
      helo: 'mail.honest.example',
      from: 'ann@honest.example',
      to: 'bea@example.org',
      subject: HOSTILE,
    });
    await demo.send({
      address: '203.0.113.99',
      helo: HOSTILE.replaceAll(' ', '/'),
      from: '"<img/src=x/onerror=alert(1)>"@honest.example',
      to: 'bea@example.org',
    });
    await page.goto(`${demo.url}decisions?client=203.0.113.99`);
    const found = page.getByRole('link', { name: /^[0-9A-Z]{8}$/ }).first();
    // It is in the journal a moment later.
    for (let tries = 0; tries < 20 && !(await found.isVisible()); tries++) {
      await page.waitForTimeout(500);
      await page.reload();
      await page.getByText('One moment…').waitFor({ state: 'hidden' });
    }
    await found.click();
    await page.getByText('What happened').waitFor();
    assert.match(await page.locator('main').innerText(), /<img\/src=x/);
    assert.equal(await page.locator('main img').count(), 0);
  });

  await t.test('every page', async () => {
    for (const name of ['Greylist', 'Block list', 'Effect', 'What if', 'Queue', 'Settings', 'Now']) {
      await visit(page, name);
      await page.locator('.card').first().waitFor();
      await page.getByText('One moment…').waitFor({ state: 'hidden' });
      assert.equal(await page.locator('.trouble').count(), 0, name);
      await shot(page, name.toLowerCase().replaceAll(' ', '-'));
    }
  });

  await t.test('what another configuration would have done', async () => {
    await visit(page, 'What if');
    const config = page.locator('textarea.config');
    await config.fill((await config.inputValue()).replace('weight = 8', 'weight = 1'));
    await page.getByRole('button', { name: 'Judge again' }).click();
    await page.getByText(/judged again;/).waitFor();
    await page.locator('progress').waitFor({ state: 'hidden', timeout: 60_000 });
    assert.equal(await page.locator('.trouble').count(), 0);
    // The list alone no longer suffices: the bots would have been asked more.
    const changed = await page.locator('h2', { hasText: /^(Newly accepted|Unknown)/ }).allInnerTexts();
    assert.ok(
      changed.some((text) => /: [1-9]/.test(text)),
      changed.join(),
    );
    await shot(page, 'what-if');
  });

  await t.test('on a telephone, in the dark, by keyboard', async () => {
    const phone = await browser.newContext({
      viewport: { width: 390, height: 844 },
      colorScheme: 'dark',
      isMobile: true,
    });
    t.after(() => phone.close());
    const small = watched(await phone.newPage(), complaints);
    await logIn(small, demo);
    await small.locator('.funnel li').first().waitFor();
    for (const path of ['', 'decisions', 'reports', 'lists', 'effect', 'settings']) {
      await small.goto(`${demo.url}${path}`);
      await small.getByText('One moment…').first().waitFor({ state: 'hidden' });
      const wide = await small.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      assert.ok(Number(wide) <= 0, `/${path} is ${String(wide)} px too wide`);
    }
    await small.goto(`${demo.url}decisions`);
    await small.locator('tbody tr').first().waitFor();
    await shot(small, 'phone-decisions');
    await small.goto(demo.url);
    await small.locator('.funnel li').first().waitFor();
    await shot(small, 'phone');
    await small.keyboard.press('Tab');
    assert.equal(await small.evaluate('document.activeElement.textContent'), 'To the content');
  });

  await t.test('a forged form', async () => {
    const cookies = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    const body = JSON.stringify({ network: '192.0.2.0/24', reason: 'forged', lastsMs: 3_600_000 });
    for (const headers of [
      {},
      { 'x-csrf-token': 'guessed' },
      { origin: 'https://evil.example', 'x-csrf-token': 'guessed' },
    ]) {
      const answer = await fetch(`${demo.url}api/blocks`, {
        method: 'POST',
        headers: { cookie: cookies, 'content-type': 'application/json', ...headers },
        body,
      });
      assert.equal(answer.status, 403, JSON.stringify(headers));
    }
    const blocks = await fetch(`${demo.url}api/blocks`, { headers: { cookie: cookies } });
    assert.doesNotMatch(await blocks.text(), /forged/);
  });

  await t.test('an expired session', async () => {
    await visit(page, 'Decisions');
    const desk = openDesk(join(demo.data, 'desk.sqlite'));
    desk.logins.endAll('admin');
    desk.close();
    await page.goto(`${demo.url}lists`);
    await page.getByRole('button', { name: 'Log in' }).waitFor();
  });

  assert.deepEqual(complaints, []);
});

/** A change is in force within a second or so: the gate looks for it. */
async function again(send: () => Promise<string>, expected: RegExp): Promise<void> {
  let last = '';
  for (let tries = 0; tries < 20; tries++) {
    last = await send();
    if (expected.test(last)) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.match(last, expected);
}
