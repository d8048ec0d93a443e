#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
import { Command, CommanderError, Option } from 'commander';
import { LADDER } from '../checks/ladder.ts';
import type { Config } from '../config/config.ts';
import { load } from '../config/load.ts';
import { formatProblem } from '../config/problems.ts';
import { OUTCOMES } from '../core/decision.ts';
import { hashPassword } from '../adapters/credentials.ts';
import {
  blockAddCommand,
  blockListCommand,
  blockRemoveCommand,
  blockShowCommand,
  type ListOptions,
} from './block.ts';
import { checkConfigCommand } from './check-config.ts';
import { classifyCommand, type ClassifyOptions } from './classify.ts';
import { doctorCommand, type DoctorOptions } from './doctor.ts';
import { effectCommand, type EffectOptions } from './effect.ts';
import { CommandError, EX_CONFIG, EX_SOFTWARE, EX_USAGE } from './exit.ts';
import { learnCommand } from './learn.ts';
import {
  listAddCommand,
  listRemoveCommand,
  listShowCommand,
  type ListAddOptions,
  type ShowOptions,
} from './list.ts';
import { logCommand, type LogOptions } from './log.ts';
import { readPassword } from './password.ts';
import { inPlainWords } from './plain-words.ts';
import { replayCommand, type ReplayOptions } from './replay.ts';
import { runCommand } from './run.ts';
import { statsCommand, type StatsOptions } from './stats.ts';
import { tryCommand, type TryOptions } from './try.ts';
import { VERSION } from './version.ts';

const CONFIG = '/etc/postern/postern.toml';

const program = new Command('postern')
  .description(
    'The gate in front of a mail server: refuses or delivers while the SMTP dialogue is still open.',
  )
  .version(VERSION)
  .showHelpAfterError('(--help says more)')
  .exitOverride()
  .addHelpText(
    'after',
    '\nExample:\n  postern check-config -c postern.toml && postern run -c postern.toml' +
      '\n\nExit status: 0 good, 1 a plain no, 64 bad use, 66 no journal or no such file, 70 a fault of ours,' +
      '\n71 the gate cannot start, 75 deferred (try), 78 bad configuration, 130 stopped by Ctrl-C.',
  );

const config = () => new Option('-c, --config <file>', 'configuration file').default(CONFIG);

program
  .command('run')
  .description('Opens the gate. SIGHUP reloads the configuration, SIGTERM stops gracefully.')
  .addOption(config())
  .addHelpText(
    'after',
    '\nExample:\n  postern run -c /etc/postern/postern.toml\n\nExit status: 0 stopped, 71 cannot start, 78 bad configuration.',
  )
  .action((options: { config: string }) => finish(runCommand(options.config)));

program
  .command('check-config')
  .description('Reads the configuration and says what is wrong with it, with line and remedy.')
  .argument('[file]', 'configuration file')
  .addOption(config())
  .option('--explain', 'also every check: what it leads to, where that comes from, what cannot run and why')
  .option('--json', 'the same as JSON')
  .addHelpText(
    'after',
    '\nExamples:\n  postern check-config /etc/postern/postern.toml\n  postern check-config --explain' +
      '\n\nExit status: 0 good, 78 bad.',
  )
  .action((file: string | undefined, options: { config: string; explain?: boolean; json?: boolean }) =>
    finish(checkConfigCommand({ ...options, file: file ?? options.config, checks: LADDER })),
  );

program
  .command('doctor')
  .description('Says whether mail gets through: each listener, the lines in the mail server, the backend.')
  .addOption(config())
  .option('--postfix <folder>', "the folder of Postfix's main.cf")
  .option('--sendmail <file>', 'sendmail.cf')
  .option('--exim <file>', "Exim's configuration")
  .option('--json', 'as JSON')
  .addHelpText(
    'after',
    '\nExamples:\n  postern doctor\n  postern doctor -c postern.toml --postfix /etc/postfix' +
      '\n\nIt reads and asks, and changes nothing. As root it may look everywhere.' +
      '\n\nExit status: 0 all is well, 1 something is wrong, 78 bad configuration.',
  )
  .action((options: Omit<DoctorOptions, 'file' | 'checks'> & { config: string }) =>
    finish(doctorCommand({ ...options, file: options.config, checks: LADDER })),
  );

program
  .command('try')
  .description('Says what would happen to a client, and why. Delivers nothing.')
  .addOption(config())
  .requiredOption('--client <address>', 'address of the client')
  .requiredOption('--helo <name>', 'name it gives at HELO')
  .requiredOption('--sender <address>', 'reverse-path; <> for a bounce')
  .requiredOption('--recipient <address>', 'forward-path')
  .option('--message <file>', 'message to judge as well; - reads standard input')
  .option('--json', 'the whole decision as JSON')
  .addHelpText(
    'after',
    '\nExample:\n  postern try --client 192.0.2.7 --helo mail.example.net --sender a@example.net --recipient you@example.org' +
      '\n\nExit status: 0 let in, 1 refused, 75 deferred.',
  )
  .action((options: TryOptions & { config: string }) =>
    finish(
      withConfig(options.config, (c) => tryCommand(c, options, (text) => void process.stdout.write(text))),
    ),
  );

program
  .command('log')
  .description(
    'Finds decisions in the journal, those recorded last first; with --id, tells the whole story of one.',
  )
  .addOption(config())
  .option('--id <id>', 'id of a decision or session, as it stood in the reply')
  .option('--client <address>', 'address or network of the client')
  .option('--sender <address>', 'reverse-path: address, domain, or <>')
  .option('--recipient <address>', 'forward-path: address or domain')
  .option('--since <time>', 'such as 2026-11-21T08:00, or 2h ago as 2h')
  .option('--until <time>', 'likewise')
  .option('--check <name>', 'the check that decided')
  .addOption(new Option('--outcome <outcome>', 'what became of it').choices(OUTCOMES))
  .option('--limit <n>', 'at most so many', '50')
  .option('--json', 'one JSON object a line')
  .addHelpText(
    'after',
    '\nExamples:\n  postern log --id K7Q2MX4D\n  postern log --sender example.net --since 2h --outcome refused',
  )
  .action((options: LogOptions & { config: string }) =>
    finish(withConfig(options.config, (c) => logCommand(c, options))),
  );

program
  .command('stats')
  .description('The summary: received, delivered, rejected, deferred, by check, with what each check cost.')
  .addOption(config())
  .option('--since <time>', 'such as 2026-11-21T08:00, or 24h', '24h')
  .option('--until <time>', 'likewise')
  .option('--json', 'as JSON')
  .addHelpText('after', '\nExample:\n  postern stats --since 7d')
  .action((options: StatsOptions & { config: string }) =>
    finish(withConfig(options.config, (c) => statsCommand(c, options))),
  );

program
  .command('replay')
  .description(
    'Judges recorded decisions again under another configuration, and says what would differ. Asks nobody.',
  )
  .requiredOption('--config <file>', 'the configuration as it would be')
  .option(
    '-c, --current <file>',
    'the one in force, for its journal; else the new one has to name the same data_dir',
  )
  .option('--since <time>', 'such as 2026-11-21T08:00, or 7d', '7d')
  .option('--until <time>', 'likewise')
  .option('--limit <n>', 'shown of each kind', '20')
  .option('--json', 'as JSON')
  .addHelpText(
    'after',
    '\nExamples:\n  postern replay --config new.toml\n  postern replay -c /etc/postern/postern.toml --config /tmp/new.toml --since 30d' +
      '\n\nExit status: 0 nothing would differ, 1 something would be refused or let in that was not, 66 no journal,' +
      '\n78 bad configuration, 130 stopped by Ctrl-C.',
  )
  .action((options: Omit<ReplayOptions, 'checks'>) => finish(replayCommand({ ...options, checks: LADDER })));

program
  .command('effect')
  .description(
    'What the checks do for you: unwanted and wanted mail per hour with none, with each alone, with all.',
  )
  .addOption(config())
  .option('--since <time>', 'of the journal: such as 2026-11-21T08:00, or 7d', '7d')
  .option('--until <time>', 'likewise')
  .option('--ham <folder>', 'in place of the journal: a folder of wanted messages, a Maildir or an mbox file')
  .option('--spam <folder>', 'and one of unwanted ones')
  .option('--no-dns', 'of folders: ask no DNS, and leave out the checks that need it')
  .option('--json', 'as JSON')
  .addHelpText(
    'after',
    '\nExamples:\n  postern effect --since 30d\n  postern effect --ham ~/Maildir/.Archive --spam ~/Maildir/.Junk --no-dns' +
      '\n\nExit status: 0 done, 1 no mail to speak of, 66 no journal or no such folder, 130 stopped by Ctrl-C.',
  )
  .action((options: EffectOptions & { config: string }) =>
    finish(withConfig(options.config, (c) => effectCommand(c, options))),
  );

const block = program
  .command('block')
  .description('The short-term block list: who is refused for a while, and why. Also while the gate runs.')
  .addHelpText(
    'after',
    '\nExamples:\n  postern block list\n  postern block add 192.0.2.0/24 --for 1d --reason "floods us since noon"' +
      '\n  postern block remove 192.0.2.7',
  );

block
  .command('list')
  .description('Prints the entries in force, newest first.')
  .argument('[network]', 'only those that cover this address or network, or lie within it')
  .addOption(config())
  .option('--all', 'also those that have ended and are remembered: the next block will be longer')
  .option('--limit <n>', 'at most so many', '1000')
  .option('--json', 'one JSON object a line')
  .addHelpText('after', '\nExit status: 0 found some, 1 found none.')
  .action((network: string | undefined, options: ListOptions & { config: string }) =>
    finish(
      withConfig(options.config, (c) =>
        blockListCommand(c, network === undefined ? options : { ...options, network }),
      ),
    ),
  );

block
  .command('show')
  .description('What is known of one client: its block, its standing, strikes, unknown recipients.')
  .argument('<address>', 'address of the client')
  .addOption(config())
  .addHelpText('after', '\nExit status: 0 something is known, 1 nothing.')
  .action((address: string, options: { config: string }) =>
    finish(withConfig(options.config, (c) => blockShowCommand(c, address))),
  );

block
  .command('add')
  .description('Blocks an address or a network for a time; stands in the place of an entry for the same.')
  .argument('<network>', 'address, or network such as 192.0.2.0/24')
  .addOption(config())
  .option('--for <time>', 'how long: 30m, 12h, 1d, 2w', '1d')
  .requiredOption('--reason <text>', 'why; those who are refused read it')
  .action((network: string, options: { config: string; for: string; reason: string }) =>
    finish(withConfig(options.config, (c) => blockAddCommand(c, { ...options, network }))),
  );

block
  .command('remove')
  .description('Lets a client in again: ends its block, and forgets all that is held against it.')
  .argument('<network>', 'as the list names it; or a client that is not on it')
  .addOption(config())
  .addHelpText('after', '\nExit status: 0 done, 1 there was no such entry, and nothing else.')
  .action((network: string, options: { config: string }) =>
    finish(withConfig(options.config, (c) => blockRemoveCommand(c, network))),
  );

const list = program
  .command('list')
  .description('The allow and block lists kept while the gate runs, beside those of the configuration.')
  .addHelpText(
    'after',
    '\nExamples:\n  postern list add allow --client 192.0.2.7 --for 30d --reason "our printer"' +
      '\n  postern list add allow --sender example.net --recipient ann@example.org --reason "she asked"' +
      '\n  postern list add block --sender .example.com --reason "nothing but spam"\n  postern list show example.net',
  );

list
  .command('show')
  .description('Prints the entries in force, newest first.')
  .argument('[text]', 'only those with this in a condition, the reason, the decision, or by whom')
  .addOption(config())
  .option('--kind <list>', 'only allow, block or list-host')
  .option('--limit <n>', 'at most so many', '1000')
  .option('--json', 'one JSON object a line')
  .addHelpText('after', '\nExit status: 0 found some, 1 found none.')
  .action((text: string | undefined, options: ShowOptions & { config: string }) =>
    finish(
      withConfig(options.config, (c) =>
        listShowCommand(c, text === undefined ? options : { ...options, text }),
      ),
    ),
  );

list
  .command('add')
  .description(
    'Lets in or blocks whatever all the conditions fit; stands in the place of an entry for the same.',
  )
  .argument('<list>', 'allow, block, or list-host')
  .addOption(config())
  .option('--client <network>', 'address, or network such as 192.0.2.0/24')
  .option('--host <name>', 'confirmed host name; .example.net for all below it')
  .option('--sender <path>', 'user@example.net, example.net, .example.net, or <>')
  .option('--recipient <path>', 'user@example.org, example.org, or .example.org')
  .option('--lifts <check...>', 'of allow: only these checks; else all that can be lifted')
  .option('--for <time>', 'how long: 30m, 12h, 1d, 2w; else for good')
  .option('--decision <id>', 'the decision that it is made from')
  .option('--really', 'also what would let in or shut out nearly everybody')
  .requiredOption('--reason <text>', 'why; of block: those who are refused read it')
  .action((kind: string, options: ListAddOptions & { config: string }) =>
    finish(withConfig(options.config, (c) => listAddCommand(c, kind, options))),
  );

list
  .command('remove')
  .description('Takes an entry off its list.')
  .argument('<id>', 'its number, as `list show` prints it')
  .addOption(config())
  .addHelpText('after', '\nExit status: 0 done, 1 there was no such entry.')
  .action((id: string, options: { config: string }) =>
    finish(withConfig(options.config, (c) => listRemoveCommand(c, id))),
  );

program
  .command('learn')
  .description('Teaches the classifier from mail that somebody has sorted. Also while the gate runs.')
  .argument('<kind>', 'spam or ham')
  .argument('<path...>', 'messages, mbox files, Maildirs, folders of messages')
  .addOption(config())
  .option('--forget', 'takes back what was learnt of these messages')
  .addHelpText(
    'after',
    '\nExamples:\n  postern learn ham ~/Maildir/.Archive\n  postern learn spam spam.mbox' +
      '\n\nA message is learnt once, however often it is given; what was stopped goes on where it was.' +
      '\nA message that was learnt as the other kind changes over.',
  )
  .action((kind: string, paths: readonly string[], options: { config: string; forget?: boolean }) =>
    finish(withConfig(options.config, (c) => learnCommand(c, kind, { ...options, paths }))),
  );

program
  .command('classify')
  .description('Says what the classifier makes of a message, and which tokens decided.')
  .argument('<file>', 'a message; - reads standard input')
  .addOption(config())
  .option('--limit <n>', 'tokens shown', '30')
  .option('--json', 'as JSON')
  .addHelpText('after', '\nExit status: 0 ham, 1 spam, 2 unsure or too little learnt, 66 nothing learnt.')
  .action((file: string, options: Omit<ClassifyOptions, 'file'> & { config: string }) =>
    finish(withConfig(options.config, (c) => classifyCommand(c, { ...options, file }))),
  );

const admin = program
  .command('admin')
  .description('The dashboard for the people who run the gate; `postern run` starts it where [admin] is set.')
  .addHelpText(
    'after',
    '\nExamples:\n  postern admin set-password\n  postern admin serve -c /etc/postern/postern.toml',
  );

admin
  .command('serve')
  .description('Serves the dashboard without a gate beside it: the journal, the lists, the reports.')
  .addOption(config())
  .addHelpText('after', '\nExit status: 0 stopped, 66 no journal yet, 71 cannot start, 78 bad configuration.')
  // Its packages are nothing that a gate or another command should load.
  .action((options: { config: string }) =>
    finish(import('./admin.ts').then(({ adminServeCommand }) => adminServeCommand(options.config))),
  );

admin
  .command('set-password')
  .description('Asks for a password, or reads it from standard input; that user can then log in.')
  .argument('[user]', 'user name', 'admin')
  .addOption(config())
  .addHelpText(
    'after',
    '\nIt ends all sessions that the user has. Exit status: 0 done, 1 not taken, 78 bad configuration.',
  )
  .action((user: string, options: { config: string }) =>
    finish(
      import('./admin.ts').then(({ setPasswordCommand }) =>
        withConfig(options.config, (c) => setPasswordCommand(c, user)),
      ),
    ),
  );

admin
  .command('summary')
  .description('Prints what the daily summary would say of the last 24 hours.')
  .addOption(config())
  .option('--send', 'sends it, too, to those whom [notify] names')
  .addHelpText('after', '\nExit status: 0 done, 1 not sent, 66 no journal yet, 78 bad configuration.')
  .action((options: { config: string; send?: boolean }) =>
    finish(
      import('./summary.ts').then(({ summaryCommand }) =>
        withConfig(options.config, (c) => summaryCommand(c, options)),
      ),
    ),
  );

program
  .command('hash-password')
  .description('Asks for a password, or reads it from standard input; prints the line for the users file.')
  .argument('<user>', 'user name')
  .addHelpText('after', '\nExample:\n  postern hash-password ann >> /etc/postern/users')
  .action((user: string) =>
    finish(
      (async () => {
        if (user === '' || /[:\s#]/.test(user))
          throw new CommandError('a user name has no colon, space or #');
        const password = await readPassword(process.stdin, (text) => void process.stderr.write(text));
        process.stdout.write(`${user}:${await hashPassword(password)}\n`);
        return 0;
      })(),
    ),
  );

program
  .command('demo')
  .description('Opens a gate on loopback and plays a small morning of mail through it. No network, no root.')
  .option('--stay', 'goes on until it is stopped, with its dashboard in the browser')
  .addHelpText('after', '\nExamples:\n  postern demo\n  postern demo --stay')
  // Its DNS server and its cast are nobody's business but its own.
  .action((options: { stay?: boolean }) =>
    finish(import('./demo/demo.ts').then(({ demoCommand }) => demoCommand(options))),
  );

async function withConfig(file: string, run: (config: Config) => Promise<number>): Promise<number> {
  const loaded = load(file, LADDER);
  if ('config' in loaded) return run(loaded.config);
  for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
  return EX_CONFIG;
}

/** A command's mistakes are one line for the operator; what is ours keeps its stack. */
async function finish(command: Promise<number>): Promise<void> {
  try {
    process.exitCode = await command;
  } catch (error) {
    const ours = !(error instanceof Error) || error.name === 'TypeError' || error.name === 'RangeError';
    process.stderr.write(`postern: ${ours ? String((error as Error).stack) : inPlainWords(error)}\n`);
    process.exitCode = error instanceof CommandError ? error.exitCode : EX_SOFTWARE;
  }
}

// Whoever reads our output may go (`postern log | head`); a gate does not stop for that.
process.stdout.on('error', () => undefined);

try {
  await program.parseAsync();
} catch (error) {
  // It has said what is wrong, or what was asked of it.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : EX_USAGE;
}
