/** The pages, as text. They lead nowhere else, and all addresses in them are relative: a web server before them may put them anywhere. */
import { MAX_CONTACT, MAX_REPORT_TEXT, type Report } from '../../core/desk.ts';
import type { Typed } from './form.ts';
import { html, type Html } from './html.ts';
import type { Refusal } from './refusal.ts';

export interface Shown {
  readonly refusal: Refusal;
  readonly report: Report | undefined;
  /** What was typed and could not be taken. */
  readonly typed?: Typed | undefined;
  readonly problem?: string | undefined;
}

export function refusalPage({ refusal, report, typed, problem }: Shown): string {
  const refused = refusal.kind === 'refused';
  return page(
    refused ? 'Your message was refused' : 'Your message has to wait',
    html`
      <p class="quiet">${dateOf(refusal.atMs)} · id ${refusal.decision}</p>
      ${report === undefined ? undefined : stateOf(report)}
      <h2>What our mail server said</h2>
      ${refusal.said.map((said) => html`<p class="said">${said}</p>`)}
      <h2>What that means</h2>
      ${refusal.remedies.map(({ happened }) => html`<p>${happened}</p>`)}
      <h2>What can be mended</h2>
      <p class="quiet">This is for the people who run the mail server on your side; pass it on to them.</p>
      ${refusal.remedies.map(({ mend }) => html`<p>${mend}</p>`)} ${belowOf(refusal, report, typed, problem)}
    `,
  );
}

function belowOf(
  refusal: Refusal,
  report: Report | undefined,
  typed: Typed | undefined,
  problem: string | undefined,
): Html | undefined {
  if (refusal.kind === 'deferred')
    return html`<h2>What happens next</h2>
      <p>
        Your server will try again by itself, and tells you if it has to give up. There is nothing to report
        as long as it tries.
      </p>`;
  if (report !== undefined) return undefined;
  return html`<h2 id="report">Is this a mistake?</h2>
    <p>Tell the postmaster here. Come back to this page for the answer; its address stays the same.</p>
    ${problem === undefined ? undefined : html`<p class="problem" role="alert">${problem}</p>`}
    <form method="post" action="${refusal.decision}" accept-charset="utf-8">
      <label for="text">What should we know?</label>
      <textarea id="text" name="text" required maxlength="${MAX_REPORT_TEXT}">${typed?.text ?? ''}</textarea>
      <label for="contact">Where can we write to you? (may be left empty)</label>
      <input
        id="contact"
        name="contact"
        inputmode="email"
        autocomplete="email"
        maxlength="${MAX_CONTACT}"
        value="${typed?.contact ?? ''}"
      />
      <p class="quiet">Only the postmaster sees what you write.</p>
      <p class="apart" aria-hidden="true">
        <label for="website">Leave this empty</label>
        <input id="website" name="website" tabindex="-1" autocomplete="off" />
      </p>
      <button type="submit">Report the mistake</button>
    </form>`;
}

function stateOf({ state, answer, atMs }: Report): Html {
  const answered =
    answer === undefined || answer.text.trim() === ''
      ? undefined
      : html`<p class="told">${answer.text.trim()}</p>`;
  switch (state) {
    case 'open':
      return html`<h2>Reported, waiting</h2>
        <p>
          The mistake was reported on ${dateOf(atMs)}, and the postmaster has not answered yet. Come back to
          this page for the answer.
        </p>`;
    case 'let-in':
      return html`<h2>Let in</h2>
        <p>
          The postmaster has looked at it and lets you in. The refused message was not kept: please send it
          again.
        </p>
        ${answered}`;
    case 'declined':
      return html`<h2>Declined</h2>
        <p>The postmaster has looked at it, and it stays refused.</p>
        ${answered}`;
    default:
      return state satisfies never;
  }
}

/** For what never was, what was accepted, and what is too old: one page. */
export const UNKNOWN = page(
  'Nothing here',
  html`<p>There is no refusal by this id, or it is too old.</p>
    <p>The id stands in the text that our mail server sent back: eight letters and digits at its end.</p>`,
);

export const TOO_MANY = page(
  'Too many requests',
  html`<p>There were too many requests from your network. Please wait a moment and try again.</p>`,
);

export const NOT_OURS = page(
  'Not taken',
  html`<p>This form was not sent from our page. Please open the page again and send it from there.</p>`,
);

export const TOO_LARGE = page(
  'Not taken',
  html`<p>That is more than can be taken here. Please go back and shorten it.</p>`,
);

export const TROUBLE = page(
  'Not possible now',
  html`<p>That cannot be shown at the moment. Please try again in some minutes.</p>`,
);

function page(title: string, body: Html): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <link rel="stylesheet" href="style.css" />
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${body}
        </main>
      </body>
    </html> `.html;
}

const DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });

const dateOf = (atMs: number): string => `${DATE.format(atMs)} UTC`;
