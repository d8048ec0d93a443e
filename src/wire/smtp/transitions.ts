/**
 * The one table of what is legal when, and where each answer leads (RFC 5321 4.1.4). A cell is the client's mistake, or the next
 * state by the first digit of the reply; a digit that is not there leaves the state as it is. 421 closes from everywhere.
 */
import type { ProtocolError, ServerState } from './events.ts';

export const VERBS = [
  'EHLO',
  'HELO',
  'MAIL',
  'RCPT',
  'DATA',
  'RSET',
  'NOOP',
  'VRFY',
  'HELP',
  'QUIT',
  'STARTTLS',
  'AUTH',
] as const;
export type Verb = (typeof VERBS)[number];

/** States in which the client's next line is a command. */
export const COMMAND_STATES = ['refused', 'greeted', 'ready', 'mail', 'rcpt'] as const;
export type CommandState = (typeof COMMAND_STATES)[number];

/** What waits for an answer without being a command. */
export type Moment = 'greeting' | 'end-of-message' | 'auth-response';

export type Outcomes = { readonly [firstDigit in 2 | 3 | 4 | 5]?: ServerState };

const STAY: Outcomes = {};
const HELLO: Outcomes = { 2: 'ready' };
const QUIT: Outcomes = { 2: 'closed', 4: 'closed', 5: 'closed' };
const RESET: Outcomes = { 2: 'ready' };

const ANYWHERE = { NOOP: STAY, VRFY: STAY, HELP: STAY, QUIT } as const;
// RFC 5321 4.1.4: a further EHLO does what RSET does.
const ONCE_GREETED = { ...ANYWHERE, EHLO: HELLO, HELO: HELLO, RSET: RESET } as const;

export const TRANSITIONS = {
  // RFC 5321 3.1: the greeting was 554.
  refused: {
    EHLO: 'service-refused',
    HELO: 'service-refused',
    MAIL: 'service-refused',
    RCPT: 'service-refused',
    DATA: 'service-refused',
    RSET: 'service-refused',
    NOOP: 'service-refused',
    VRFY: 'service-refused',
    HELP: 'service-refused',
    QUIT,
    STARTTLS: 'service-refused',
    AUTH: 'service-refused',
  },
  greeted: {
    ...ONCE_GREETED,
    RSET: STAY,
    MAIL: 'need-hello',
    RCPT: 'need-hello',
    DATA: 'need-hello',
    STARTTLS: 'need-hello',
    AUTH: 'need-hello',
  },
  ready: {
    ...ONCE_GREETED,
    MAIL: { 2: 'mail' },
    RCPT: 'need-mail',
    DATA: 'need-mail',
    // RFC 3207 4.2: all knowledge of the client is forgotten, its EHLO too.
    STARTTLS: { 2: 'greeted' },
    AUTH: { 2: 'ready', 3: 'auth' },
  },
  mail: {
    ...ONCE_GREETED,
    MAIL: 'nested-mail',
    RCPT: { 2: 'rcpt' },
    DATA: 'need-rcpt',
    STARTTLS: 'in-transaction',
    AUTH: 'in-transaction',
  },
  rcpt: {
    ...ONCE_GREETED,
    MAIL: 'nested-mail',
    RCPT: { 2: 'rcpt' },
    DATA: { 3: 'content' },
    STARTTLS: 'in-transaction',
    AUTH: 'in-transaction',
  },
} as const satisfies Record<CommandState, Record<Verb, Outcomes | ProtocolError>>;

export const MOMENTS = {
  greeting: { 2: 'greeted', 4: 'refused', 5: 'refused' },
  // The transaction ends whatever the answer (RFC 5321 4.1.1.4).
  'end-of-message': { 2: 'ready', 4: 'ready', 5: 'ready' },
  'auth-response': { 2: 'ready', 3: 'auth', 4: 'ready', 5: 'ready' },
} as const satisfies Record<Moment, Outcomes>;

/** A mistake outside the AUTH exchange leaves everything as it was. */
export const AFTER_ERROR: Outcomes = STAY;

export function outcomeOf(state: CommandState, verb: Verb): Outcomes | ProtocolError {
  return TRANSITIONS[state][verb];
}

const MOMENT_STATES = {
  greeting: 'connected',
  'end-of-message': 'content',
  'auth-response': 'auth',
} as const;

/** The state diagram, as Mermaid, for the documentation. */
export function stateDiagram(): string {
  const edges = new Map<string, string[]>();
  const add = (from: string, to: string, label: string) => {
    const key = `${from} --> ${to}`;
    edges.set(key, [...(edges.get(key) ?? []), label]);
  };
  const addAll = (from: string, name: string, outcomes: Outcomes) => {
    const digits = new Map<string, string[]>();
    for (const [digit, to] of Object.entries(outcomes))
      digits.set(to, [...(digits.get(to) ?? []), `${digit}yz`]);
    for (const [to, codes] of digits) add(from, to, `${name} ${codes.join('/')}`);
  };
  for (const moment of Object.keys(MOMENT_STATES) as Moment[]) {
    addAll(MOMENT_STATES[moment], moment, MOMENTS[moment]);
  }
  for (const state of COMMAND_STATES) {
    for (const verb of VERBS) {
      const cell = outcomeOf(state, verb);
      if (typeof cell === 'object') addAll(state, verb, cell);
    }
  }
  const lines = [...edges].map(([edge, labels]) => `  ${edge} : ${labels.join(', ')}`);
  return ['stateDiagram-v2', '  [*] --> connected', ...lines, '  closed --> [*]', ''].join('\n');
}
