/**
 * Macros: what the MTA knows beyond the dialogue (queue id, TLS, authentication), sent ahead of the command whose stage they belong
 * to. Values may be what the client said, so they are bounded.
 *
 * What holds how long (libmilter's mi_clr_macros, and stricter where a value of before would be taken for one of now):
 * a command forgets its own stage's macros unless they were sent anew for it, and those of all later stages. The end of a message
 * forgets those from MAIL on. Another client forgets all.
 */
import { COMMANDS, type CommandLetter, type CommandName } from './codes.ts';
import type { MilterLimits } from './events.ts';
import { FieldReader } from './frame.ts';
import { plainText } from '../client-text.ts';

/** In the order of the dialogue. */
const STAGES = [
  'connect',
  'helo',
  'mail',
  'rcpt',
  'data',
  'header',
  'end-of-header',
  'body',
  'end-of-message',
  'unknown',
] as const satisfies readonly CommandName[];
type Stage = (typeof STAGES)[number];
type Values = ReadonlyMap<string, string>;

const FIRST_OF_MESSAGE = STAGES.indexOf('mail');

export class Macros {
  readonly #kept: (Values | undefined)[] = STAGES.map(() => undefined);
  readonly #fresh = new Set<number>();

  /**
   * A payload of SMFIC_MACRO. A stage that we do not know is passed over and no mistake: MTAs send macros for commands that others
   * never heard of, and a filter that gave up over one has let mail through unseen. So is a name without a value.
   */
  define(payload: Buffer, limits: Pick<MilterLimits, 'macros' | 'macroOctets'>): void {
    const fields = new FieldReader(payload);
    const letter = String.fromCharCode(fields.octet() ?? 0);
    const stage = indexOf(Object.hasOwn(COMMANDS, letter) ? COMMANDS[letter as CommandLetter] : undefined);
    if (stage === -1) return;
    const values = new Map<string, string>();
    let room = limits.macroOctets;
    while (values.size < limits.macros) {
      const name = fields.string();
      const value = fields.string();
      if (name === undefined || value === undefined) break;
      if (name.length + value.length > room) continue;
      room -= name.length + value.length;
      values.set(bare(plainText(name)), plainText(value));
    }
    this.#kept[stage] = values;
    this.#fresh.add(stage);
  }

  /** A command came: what was sent ahead of it holds. */
  begin(command: CommandName): void {
    const stage = indexOf(command);
    if (stage === -1) return;
    if (!this.#fresh.has(stage)) this.#kept[stage] = undefined;
    this.#forgetFrom(stage + 1);
    this.#fresh.clear();
  }

  endMessage(): void {
    this.#forgetFrom(FIRST_OF_MESSAGE);
    this.#fresh.clear();
  }

  forget(): void {
    this.#forgetFrom(0);
    this.#fresh.clear();
  }

  /** The latest stage that has it. */
  get(name: string): string | undefined {
    const wanted = bare(name);
    return this.#kept.findLast((values) => values?.has(wanted) === true)?.get(wanted);
  }

  #forgetFrom(stage: number): void {
    this.#kept.fill(undefined, stage);
  }
}

const indexOf = (command: CommandName | undefined): number => STAGES.indexOf(command as Stage);

/** `{daemon_name}` and `daemon_name` are the same, as `{i}` and `i` are (libmilter's smfi_getsymval). */
const bare = (name: string): string => (/^\{.*\}$/s.test(name) ? name.slice(1, -1) : name);
