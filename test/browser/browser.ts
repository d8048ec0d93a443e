/** Debian's Chromium through playwright-core, which brings no browser of its own. */
import { chromium, type Browser, type Page } from 'playwright-core';
import { onEnd } from '../program.ts';
import { need, type Skippable } from '../peers/peer.ts';

/** Undefined where the test is skipped. */
export async function openBrowser(t: Skippable): Promise<Browser | undefined> {
  const program = need(t, 'chromium');
  if (program === undefined) return undefined;
  // In a container there is neither a sandbox of its own nor much of /dev/shm.
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'];
  const browser = await chromium.launch({ executablePath: program, args });
  onEnd(t, () => browser.close());
  return browser;
}

/** What no page of ours may do: break its own security policy, throw, or open a dialog that nobody asked for. */
export function watched(page: Page, complaints: string[]): Page {
  page.on('pageerror', (error) => complaints.push(`threw ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text()))
      complaints.push(message.text());
  });
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return page;
}
