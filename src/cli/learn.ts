/**
 * `postern learn spam|ham PATH…`: teaches the classifier (M6) from mail that somebody has sorted, also while the gate runs. Each message
 * is one transaction, and is known by its content: what was broken off goes on where it was, and nothing is learnt twice. Exit codes: 0
 * done, 64 bad use, 66 a path or the file of the classifier cannot be used, 130 stopped by Ctrl-C.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { contentHash, decisionHash } from '../adapters/classifier/identity.ts';
import { openClassifier, type ClassifierStore, type Kind } from '../adapters/classifier/sqlite.ts';
import type { Config } from '../config/config.ts';
import { fields, headerEnd, type Header } from '../mail/header.ts';
import { addFindings, markedDecision, markedFindings } from '../mail/token-gate.ts';
import { MessageTokens, type Tokens } from '../mail/tokens.ts';
import { asOwnerOf } from './as-owner.ts';
import { CommandError, EX_NOINPUT, STOPPED } from './exit.ts';
import { mailFiles, messagesOf } from './mailboxes.ts';
import { inPlainWords } from './plain-words.ts';
import { Progress, type ProgressOutput } from './progress.ts';

type Where = Pick<Config, 'dataDir'>;

export interface LearnOptions {
  readonly paths: readonly string[];
  /** Takes back what was learnt of the messages, whatever they were learnt as. */
  readonly forget?: boolean;
}

export async function learnCommand(
  where: Where,
  kind: string,
  { paths, forget = false }: LearnOptions,
  write: (text: string) => void = (text) => void process.stdout.write(text),
  output: ProgressOutput = process.stderr,
): Promise<number> {
  if (kind !== 'ham' && kind !== 'spam')
    throw new CommandError(`"${kind}" is no kind of mail; it wants spam or ham`);
  const files = await mailFiles(paths);
  const store = openStore(where, 'make');
  const counts = { learnt: 0, known: 0, changed: 0, forgotten: 0, unknown: 0, passedOver: 0 };
  const progress = new Progress(
    files.reduce((sum, { octets }) => sum + octets, 0),
    output,
  );
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  try {
    for (const file of files) {
      for await (const { message, octets } of messagesOf(file)) {
        if (message === undefined || message.length === 0) counts.passedOver++;
        else if (forget) counts[forgetMessage(store, message)]++;
        else counts[learnMessage(store, kind, message)]++;
        progress.add(octets, () => tell(counts, kind));
        // SQLite and the parser wait for nobody: Ctrl-C is heard here.
        await new Promise((resolve) => setImmediate(resolve));
        if (stopping.signal.aborted) break;
      }
      if (stopping.signal.aborted) break;
    }
    progress.end();
    const { ham, spam } = store.trained;
    write(
      `${tell(counts, kind)}\nThe classifier knows ${number(ham)} ham and ${number(spam)} spam by ${number(store.size)} tokens.\n`,
    );
    const stopped = stopping.signal.aborted;
    if (stopped) write('Stopped. The same command goes on where it was.\n');
    return stopped ? STOPPED : 0;
  } catch (error) {
    progress.end();
    throw error instanceof CommandError ? error : new CommandError(inPlainWords(error), EX_NOINPUT);
  } finally {
    process.off('SIGINT', stop);
    store.close();
  }
}

function learnMessage(store: ClassifierStore, kind: Kind, message: Buffer): 'learnt' | 'known' | 'changed' {
  const hash = identityOf(store, message);
  // Parsed only where there is something to learn: going on after a stop is quick.
  return store.learntAs(hash) === kind ? 'known' : store.learn(kind, hash, learntTokens(message));
}

function forgetMessage(store: ClassifierStore, message: Buffer): 'forgotten' | 'unknown' {
  const hash = identityOf(store, message);
  if (store.learntAs(hash) === undefined) return 'unknown';
  store.forget(hash, learntTokens(message));
  return 'forgotten';
}

/** As the check makes them, with what the gate found when it delivered the message. */
export function learntTokens(message: Buffer): Tokens {
  const reading = new MessageTokens();
  addFindings(reading.tokens, markedFindings(headerOf(message)));
  reading.write(message);
  return reading.end();
}

function headerOf(message: Buffer): Header {
  const end = headerEnd(message, true) ?? message.length;
  return { bytes: message, end, fields: [...fields(message, end)] };
}

/** What the gate delivered may have been taught from its decision already, or will be: it is known by that, unless it is by its content. */
function identityOf(store: ClassifierStore, message: Buffer): Buffer {
  const content = contentHash(message);
  if (store.learntAs(content) !== undefined) return content;
  const decision = markedDecision(headerOf(message));
  return decision === undefined ? content : decisionHash(decision);
}

function tell(counts: Record<keyof typeof SAID, number>, kind: Kind): string {
  const said = Object.entries(SAID).flatMap(([name, words]) => {
    const n = counts[name as keyof typeof SAID];
    return n === 0 ? [] : [`${number(n)} ${words}`];
  });
  return `${kind}: ${said.length === 0 ? 'no messages' : said.join(', ')}`;
}

const SAID = {
  learnt: 'learnt',
  changed: 'changed over',
  known: 'known already',
  forgotten: 'forgotten',
  unknown: 'never learnt',
  passedOver: 'empty or too long',
} as const;

const number = (n: number): string => n.toLocaleString('en-US');

/** How long a command waits for another one that learns at the same time. */
const WAIT_MS = 10_000;

/** `make`: teaching may come before the gate's first start. The file is then the folder's owner's, not root's. */
export function openStore({ dataDir }: Where, to: 'make' | 'read', waitMs = WAIT_MS): ClassifierStore {
  const file = join(dataDir, 'classifier.sqlite');
  const isNew = !existsSync(file);
  if (isNew && (to === 'read' || !existsSync(dataDir)))
    throw new CommandError(
      to === 'read'
        ? `${file}: nothing has been learnt yet; see postern learn --help`
        : `${dataDir}: there is no such folder; has the gate run with this data_dir?`,
      EX_NOINPUT,
    );
  try {
    return asOwnerOf(dataDir, () => openClassifier(file, { cache: false, waitMs }));
  } catch (error) {
    throw new CommandError(inPlainWords(error), EX_NOINPUT);
  }
}
