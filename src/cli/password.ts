/** A password from a person at a terminal, who sees nothing of it, or from the first line of a pipe. */
import { CommandError } from './exit.ts';

export interface PasswordInput extends AsyncIterable<unknown> {
  readonly isTTY?: boolean;
  setEncoding(encoding: 'utf8'): unknown;
  setRawMode?(raw: boolean): unknown;
}

// More than anybody types; a pipe may be anything.
const MAX_CHARACTERS = 1024;

/** `say` shows prompts: on standard error, since standard output is often a file here. */
export async function readPassword(input: PasswordInput, say: (text: string) => void): Promise<string> {
  input.setEncoding('utf8');
  const characters = charactersOf(input);
  if (input.isTTY !== true) {
    try {
      return given(await firstLine(characters));
    } finally {
      await characters.return();
    }
  }
  // A terminal in raw mode echoes nothing, so its keys are read here.
  input.setRawMode?.(true);
  try {
    say('Password: ');
    const password = given(await typed(characters));
    say('\nAgain: ');
    const again = await typed(characters);
    if (again !== password) throw new CommandError('the two are not the same; nothing was made', 1);
    return password;
  } finally {
    input.setRawMode?.(false);
    say('\n');
    await characters.return(); // lets go of the terminal, which would keep the program up
  }
}

function given(password: string): string {
  if (password === '') throw new CommandError('the password is empty; give it on standard input');
  return password;
}

async function* charactersOf(input: PasswordInput): AsyncGenerator<string, void> {
  for await (const chunk of input) yield* String(chunk);
}

async function next(characters: AsyncGenerator<string, void>): Promise<string | undefined> {
  const { value, done } = await characters.next();
  return done === true ? undefined : value;
}

async function firstLine(characters: AsyncGenerator<string, void>): Promise<string> {
  let line = '';
  for (;;) {
    const c = await next(characters);
    if (c === undefined || c === '\n') return line.replace(/\r$/, '');
    line = appended(line, c);
  }
}

async function typed(characters: AsyncGenerator<string, void>): Promise<string> {
  let line = '';
  for (;;) {
    const c = await next(characters);
    switch (c) {
      case undefined:
      case '\r':
      case '\n':
      case '\x04': // Ctrl-D
        return line;
      case '\x03': // Ctrl-C, which a raw terminal does not turn into a signal
        throw new CommandError('stopped; nothing was made', 130);
      case '\x7f':
      case '\b':
        line = line.replace(/.$/su, '');
        break;
      case '\x15': // Ctrl-U
        line = '';
        break;
      default:
        line = appended(line, c);
    }
  }
}

function appended(line: string, c: string): string {
  if (line.length >= MAX_CHARACTERS)
    throw new CommandError(`the password is longer than ${MAX_CHARACTERS} characters`);
  return line + c;
}
