/**
 * `postern doctor`: whether the configuration is good, each listener answers, the mail server has the lines that lead to it, what
 * stands behind answers, and when mail last came. It reads and asks; it changes nothing. Exit codes: 0 all is well, 1 something is
 * wrong, 78 bad configuration (EX_CONFIG).
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { jsonText } from '../adapters/harmless.ts';
import { painter } from '../adapters/paint.ts';
import type { Config, ListenConfig } from '../config/config.ts';
import { load } from '../config/load.ts';
import { formatProblem } from '../config/problems.ts';
import type { AnyCheck } from '../core/check.ts';
import { tellBackend } from './doctor/backends.ts';
import { tellPolicyInExim, withIncludes } from './doctor/exim.ts';
import { tellLastMail, type Door } from './doctor/last-mail.ts';
import { askGateway, askMilter, askPolicy } from './doctor/listeners.ts';
import { formatPlace, type Place } from './doctor/place.ts';
import { tellMilterInPostfix } from './doctor/postfix-milter.ts';
import { tellPolicyInPostfix } from './doctor/postfix-policy.ts';
import type { PostfixSettings } from './doctor/postconf.ts';
import { readPostfixFolder, readUser } from './doctor/programs.ts';
import { formatReport } from './doctor/report.ts';
import { tellScanners } from './doctor/scanners.ts';
import { readSendmail, tellMilterInSendmail, type SendmailSettings } from './doctor/sendmail.ts';
import type { User } from './doctor/socket-way.ts';
import { quoted, tellingOf, type Telling, type Told } from './doctor/told.ts';
import { EX_CONFIG } from './exit.ts';
import { withJournal } from './journal.ts';
import { inPlainWords } from './plain-words.ts';
import { warningsOf } from './warnings.ts';
import { STANDARD } from './streams.ts';

export interface DoctorOptions {
  readonly file: string;
  readonly checks: readonly AnyCheck[];
  /** The folder of Postfix's main.cf. */
  readonly postfix?: string;
  /** sendmail.cf */
  readonly sendmail?: string;
  /** Exim's configuration file. */
  readonly exim?: string;
  readonly json?: boolean;
}

export async function doctorCommand(options: DoctorOptions, streams = STANDARD): Promise<number> {
  const loaded = load(options.file, options.checks);
  if ('problems' in loaded) {
    if (options.json === true) streams.out(`${jsonText({ problems: loaded.problems }, 2)}\n`);
    else for (const problem of loaded.problems) streams.err(`${formatProblem(problem)}\n`);
    return EX_CONFIG;
  }
  const told = withoutIdle(await examine(loaded.config, options));
  const isWell = told.every(({ state }) => state !== 'wrong');
  if (options.json === true)
    streams.out(`${jsonText({ file: loaded.config.file, well: isWell, told }, 2)}\n`);
  else streams.out(formatReport(told, painter(streams)));
  return isWell ? 0 : 1;
}

/** Everything, in the order in which it is told. */
async function examine(config: Config, options: DoctorOptions): Promise<Told[]> {
  const told: Told[] = [];
  tellConfig(config, told);
  const mta = await readMailServers(options, told);
  for (const listener of config.listen) {
    const place = { host: listener.address, port: listener.port };
    const tell = tellingOf(`${listener.role ?? 'gateway'} ${formatPlace(place)}`, told);
    await tellGateway(config, listener, place, tell);
  }
  for (const { door, at } of config.services) {
    const place = 'path' in at ? { path: at.path } : { host: at.address, port: at.port };
    const tell = tellingOf(`${door} ${formatPlace(place)}`, told);
    if (isAnyPort(place)) tellAnyPort(tell);
    else await (door === 'milter' ? askMilter : askPolicy)(place, tell);
    tellLines(config, door, place, mta, tell);
  }
  tellTwice(told);
  if (config.backend !== undefined) {
    const backends = [config.backend, ...config.routes.map(({ backend }) => backend)];
    const answers = backends.map((backend) => tellBackend(backend, config.site.hostName));
    told.push(...(await Promise.all(answers)).flat());
  }
  told.push(...(await tellScanners(config.checks)));
  const doors = new Set([
    ...config.listen.map(() => 'gateway' as const),
    ...config.services.map(({ door }) => door),
  ]);
  return [...told, ...(await lastMail(config, doors))];
}

async function lastMail(config: Config, doors: ReadonlySet<Door>): Promise<Told[]> {
  const file = join(config.dataDir, 'journal.sqlite');
  try {
    // Not there is nothing yet; not to be looked at is something else.
    if (statSync(file, { throwIfNoEntry: false }) === undefined) return await tellLastMail(undefined, doors);
    return await withJournal(config, (journal) => tellLastMail(journal, doors));
  } catch (error) {
    const told: Told[] = [];
    const why = `When mail last came cannot be told: ${inPlainWords(error)}.`;
    tellingOf('journal', told)(
      'note',
      'journal-unreadable',
      why,
      'call it as root, or as the user of the gate',
    );
    return told;
  }
}

/** A mail server that asks one listener needs no other one. */
function withoutIdle(told: readonly Told[]): readonly Told[] {
  return told.map((one): Told => {
    const asks = one.code.replace(/-does-not-ask$/, '-asks');
    const isSpare = asks !== one.code && told.some(({ code }) => code === asks);
    const { about, code, text } = one;
    return isSpare ? { about, state: 'note', code, text } : one;
  });
}

function tellTwice(told: Told[]): void {
  const askedAs = (door: string) =>
    told.some(({ about, code }) => code === 'postfix-asks' && about.startsWith(`${door} `));
  if (askedAs('milter') && askedAs('policy'))
    tellingOf('Postfix', told)(
      'note',
      'asks-twice',
      'It asks the milter and the policy service: every client is judged twice.',
      'take check_policy_service out: the milter sees all that it sees, and the message',
    );
}

function tellConfig(config: Config, told: Told[]): void {
  const tell = tellingOf('configuration', told);
  tell('well', 'config', `${config.file} is good.`);
  for (const warning of warningsOf(config)) tell('note', 'config-note', warning);
}

async function tellGateway(
  config: Config,
  listener: ListenConfig,
  place: Place,
  tell: Telling,
): Promise<void> {
  if (isAnyPort(place)) tellAnyPort(tell);
  // Who visits it is remembered as one who should not have.
  else if (listener.role === 'honeypot')
    tell('note', 'honeypot', 'Not asked: who visits a honeypot is remembered.');
  else await askGateway(place, { ...listener, greetPauseMs: config.greetPauseMs }, tell);
}

const isAnyPort = (place: Place): boolean => 'port' in place && place.port === 0;

function tellAnyPort(tell: Telling): void {
  tell('note', 'any-port', 'Port 0 is another one at each start: nobody can be told where to find it.');
}

interface MailServers {
  readonly postfix?: PostfixSettings;
  readonly user?: User | undefined;
  readonly sendmail?: { readonly file: string; readonly settings: SendmailSettings };
  readonly exim?: { readonly file: string; readonly text: string };
  /** Named, readable or not. */
  readonly isNamed: boolean;
}

async function readMailServers(options: DoctorOptions, told: Told[]): Promise<MailServers> {
  const { postfix, sendmail, exim } = options;
  const settings = postfix === undefined ? undefined : await readPostfixFolder(postfix);
  if (typeof settings === 'string')
    tellingOf(`Postfix in ${postfix ?? ''}`, told)(
      'wrong',
      'postfix-unreadable',
      `Its configuration cannot be read: ${quoted(settings)}.`,
      '--postfix wants the folder of main.cf, such as /etc/postfix, on the machine where Postfix is installed',
    );
  const sendmailText = sendmail === undefined ? undefined : readText('Sendmail', sendmail, told);
  const eximText = exim === undefined ? undefined : readText('Exim', exim, told);
  const readIncluded = (file: string) => readText('Exim', file, []);
  const read = typeof settings === 'object' ? settings : undefined;
  return {
    isNamed: [postfix, sendmail, exim].some((named) => named !== undefined),
    ...(read === undefined
      ? {}
      : { postfix: read, user: await readUser(read.main.get('mail_owner') ?? 'postfix') }),
    ...(sendmail === undefined || sendmailText === undefined
      ? {}
      : { sendmail: { file: sendmail, settings: readSendmail(sendmailText) } }),
    ...(exim === undefined || eximText === undefined
      ? {}
      : { exim: { file: exim, text: withIncludes(eximText, readIncluded) } }),
  };
}

// Sendmail's is 60 KB, Exim's 80 KB: what is much longer is something else.
const MAX_FILE_OCTETS = 8 * 1024 * 1024;

function readText(server: string, file: string, told: Told[]): string | undefined {
  let problem: string;
  try {
    const text = readFileSync(file, 'latin1');
    if (text.length <= MAX_FILE_OCTETS) return text;
    problem = 'it is too long for a configuration';
  } catch (error) {
    problem = inPlainWords(error, file);
  }
  const tell = tellingOf(server, told);
  tell(
    'wrong',
    'file-unreadable',
    `Cannot be read: ${problem}.`,
    `--${server.toLowerCase()} wants the file that ${server} reads`,
  );
  return undefined;
}

function tellLines(
  config: Config,
  door: 'milter' | 'policy',
  place: Place,
  { postfix, user, sendmail, exim, isNamed }: MailServers,
  tell: Telling,
): void {
  const { checksTimeoutMs } = config;
  if (postfix !== undefined) {
    const tellDoor = door === 'milter' ? tellMilterInPostfix : tellPolicyInPostfix;
    tellDoor(place, postfix, { user, checksTimeoutMs }, tell);
  }
  if (sendmail !== undefined && door === 'milter')
    tellMilterInSendmail(place, sendmail.file, sendmail.settings, { checksTimeoutMs }, tell);
  if (exim !== undefined && door === 'policy') tellPolicyInExim(place, exim.file, exim.text, tell);
  if (!isNamed)
    tell(
      'note',
      'mail-server-not-named',
      'Whether a mail server asks it was not looked at.',
      door === 'milter'
        ? 'add --postfix /etc/postfix or --sendmail /etc/mail/sendmail.cf'
        : 'add --postfix /etc/postfix or --exim /etc/exim4/exim4.conf',
    );
}
