/**
 * The one table of which command may come when, and where each answer leads (libmilter's next_states in engine.c). A question's cell
 * is the state by the kind of answer; `aborts` says that the message that is open ends before it. What is not in the table is out of
 * order.
 *
 * Wider than libmilter's: within a message later steps may follow any earlier one, for which of them the MTA leaves out depends on what
 * was agreed, and on whether the message has a header or a body at all. And a question that is out of order gets its answer, a
 * deferral, where libmilter drops it and the MTA waits in vain: an MTA may be set to let mail through when its filter fails, so that no
 * order in which a client speaks may make us look like it.
 */
import type { CommandName } from './codes.ts';
import type { MilterReply, MilterState } from './events.ts';

export const STATES = [
  'start',
  'agreed',
  'ready',
  'mail',
  'rcpt',
  'data',
  'header',
  'end-of-header',
  'body',
] as const satisfies readonly MilterState[];
export type OpenState = (typeof STATES)[number];

/** Answers that lead to the same place: go on; the rest is fine; refused or deferred. */
export type Outcome = 'on' | 'accept' | 'refuse';

export interface Answered extends Readonly<Record<Outcome, OpenState>> {
  readonly aborts?: true;
}
/** Wants no answer. */
export interface Told {
  readonly to: MilterState;
  readonly aborts?: true;
}
export type Cell = Answered | Told;

export function outcomeOf(answer: MilterReply): Outcome {
  switch (answer.kind) {
    case 'continue':
    case 'skip':
      return 'on';
    case 'accept':
      return 'accept';
    case 'reject':
    case 'tempfail':
    case 'reply':
      return 'refuse';
    default:
      return answer satisfies never;
  }
}

/** Whatever the answer, the MTA comes back with another message, or with nothing. */
const BETWEEN: Answered = { on: 'ready', accept: 'ready', refuse: 'ready' };
const IN = (state: OpenState): Answered => ({ on: state, accept: 'ready', refuse: 'ready' });
// A refused recipient leaves the others as they are (CT_IGNO), and the client's unknown command everything.
const RECIPIENT: Answered = { on: 'rcpt', accept: 'ready', refuse: 'rcpt' };
// Postfix keeps the transaction open: its client may name more recipients, and send DATA again.
const DATA: Answered = { on: 'data', accept: 'ready', refuse: 'rcpt' };
const UNKNOWN_IN = (state: OpenState): Answered => ({ on: state, accept: state, refuse: state });
const STAY = (state: OpenState): Told => ({ to: state });

const ANYWHERE = { quit: { to: 'closed' }, 'quit-nc': { to: 'agreed' } } as const;
const BETWEEN_MESSAGES = { ...ANYWHERE, helo: BETWEEN, mail: IN('mail') } as const;
/** HELO within a message ends it (RFC 5321 4.1.4); Postfix tells so behind it, and MAIL without a word when the last was accepted. */
const IN_MESSAGE = {
  ...ANYWHERE,
  abort: { to: 'ready', aborts: true },
  helo: { ...BETWEEN, aborts: true },
  mail: { ...IN('mail'), aborts: true },
} as const;
const FROM_BODY = { body: IN('body'), 'end-of-message': BETWEEN } as const;
const FROM_END_OF_HEADER = { ...FROM_BODY, 'end-of-header': IN('end-of-header') } as const;
const FROM_HEADER = { ...FROM_END_OF_HEADER, header: IN('header') } as const;

export const TRANSITIONS: Readonly<Record<OpenState, Partial<Record<CommandName, Cell>>>> = {
  start: { quit: { to: 'closed' }, optneg: { to: 'agreed' } },
  agreed: {
    ...ANYWHERE,
    macro: STAY('agreed'),
    abort: STAY('agreed'),
    connect: BETWEEN,
    unknown: UNKNOWN_IN('agreed'),
  },
  ready: { ...BETWEEN_MESSAGES, macro: STAY('ready'), abort: STAY('ready'), unknown: UNKNOWN_IN('ready') },
  mail: { ...IN_MESSAGE, macro: STAY('mail'), rcpt: RECIPIENT, unknown: UNKNOWN_IN('mail') },
  rcpt: {
    ...IN_MESSAGE,
    ...FROM_HEADER,
    macro: STAY('rcpt'),
    rcpt: RECIPIENT,
    data: DATA,
    unknown: UNKNOWN_IN('rcpt'),
  },
  // Between two BDAT of a client it may say anything.
  data: { ...IN_MESSAGE, ...FROM_HEADER, macro: STAY('data'), unknown: UNKNOWN_IN('data') },
  header: { ...IN_MESSAGE, ...FROM_HEADER, macro: STAY('header') },
  'end-of-header': { ...IN_MESSAGE, ...FROM_BODY, macro: STAY('end-of-header') },
  body: { ...IN_MESSAGE, ...FROM_BODY, macro: STAY('body') },
};

/** Undefined: out of order. */
export function cellOf(state: OpenState, command: CommandName): Cell | undefined {
  return TRANSITIONS[state][command];
}

/** The state diagram, as Mermaid, for the documentation; without macros, which change no state. */
export function stateDiagram(): string {
  const edges = new Map<string, string[]>();
  const add = (from: string, to: string, label: string) => {
    const key = `${from} --> ${to}`;
    edges.set(key, [...(edges.get(key) ?? []), label]);
  };
  for (const state of STATES) {
    for (const [command, cell] of Object.entries(TRANSITIONS[state])) {
      if (command === 'macro') continue;
      if ('to' in cell) {
        add(state, cell.to, command);
        continue;
      }
      const outcomes = new Map<string, Outcome[]>();
      for (const outcome of ['on', 'accept', 'refuse'] as const) {
        outcomes.set(cell[outcome], [...(outcomes.get(cell[outcome]) ?? []), outcome]);
      }
      for (const [to, by] of outcomes)
        add(state, to, by.length === 3 ? command : `${command} ${by.join('/')}`);
    }
  }
  const lines = [...edges].map(([edge, labels]) => `  ${edge} : ${labels.join(', ')}`);
  return ['stateDiagram-v2', '  [*] --> start', ...lines, '  closed --> [*]', ''].join('\n');
}
