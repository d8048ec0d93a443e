/**
 * Who decided, in a word or two. A check stands in the decision by its name; what the door decides by itself (the protocol, its limits, its
 * load) is known by its reply, for all of these stand in two tables. Any other reply is the backend's own.
 */
import type { Decision } from '../core/decision.ts';
import { replies } from '../core/replies.ts';
import type { Reply } from '../mail/reply.ts';
import { PROTOCOL_ERRORS } from '../wire/smtp/errors.ts';

/** `helo:no-fqdn`, `bare line feed`, `backend`; undefined where nobody decided, or nobody against it. */
export function deciderOf({ check, code, outcome, reply, session }: Decision): string | undefined {
  if (outcome === 'accepted' || outcome === 'relayed') return undefined;
  if (check !== undefined) return code === undefined ? check : `${check}:${code}`;
  if (outcome === 'refused' || outcome === 'deferred') return reply === undefined ? undefined : nameOf(reply);
  // Cut off by the protocol, which says so before there is anything to decide on.
  const cutOff = CUT_OFF.find((violation) => session.violations.includes(violation));
  return cutOff?.replaceAll('-', ' ');
}

const CUT_OFF = ['foreign-protocol', 'too-many-errors'] as const;

// Where the name of the reply says too little.
const NAMES: Partial<Record<keyof typeof replies, string>> = {
  bareNewline: 'bare line feed',
  tooBusy: 'load',
  tooBusyForMail: 'load',
  tooManyFromYou: 'too many connections',
  tooManyFromYourNetwork: 'too many messages',
  timedOut: 'time-out',
  storageFull: 'no room',
};

function nameOf(said: Reply): string {
  const text = textOf(said);
  return CONSTANT.get(text) ?? PATTERNS.find(({ fits }) => fits.test(text))?.name ?? 'backend';
}

const textOf = ({ code, enhanced, lines }: Reply): string => `${code} ${enhanced} ${lines[0] ?? ''}`;

const CONSTANT = new Map<string, string>();
const PATTERNS: { readonly fits: RegExp; readonly name: string }[] = [];

// In place of an id, an address or a number.
const MARK = '0MARK0';
for (const [key, make] of Object.entries(replies)) {
  const said = (make as (...given: readonly string[]) => Reply)(MARK, MARK);
  if (said.code < 400) continue;
  const name =
    NAMES[key as keyof typeof replies] ?? key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  const text = textOf(said);
  if (text.includes(MARK))
    PATTERNS.push({
      fits: new RegExp(
        `^${text
          .split(MARK)
          .map((part) => RegExp.escape(part))
          .join('\\S{0,320}')}$`,
      ),
      name,
    });
  else CONSTANT.set(text, name);
}
for (const [key, { reply }] of Object.entries(PROTOCOL_ERRORS)) {
  const text = textOf(reply);
  if (!CONSTANT.has(text)) CONSTANT.set(text, key.replaceAll('-', ' '));
}
