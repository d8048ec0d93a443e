/** Whether the scanners that the file names are there and answer: each has a question that costs it nothing. */
import { openScanners } from '../../adapters/scanners/open.ts';
import { scannerSettingsOf, type Scanning } from '../../checks/scanning.ts';
import type { CheckConfig } from '../../config/config.ts';
import { isOff } from '../../config/off.ts';
import type { ScanFailure, ScannerAddress } from '../../core/scanners.ts';
import { quoted, tellingOf, type Told } from './told.ts';

const TIMEOUT_MS = 10_000;

const SCANNERS = ['clamav', 'spamassassin', 'rspamd'] as const;
type Name = (typeof SCANNERS)[number];

/** `checks`: all that are configured. Nothing is told of a scanner without an address, or whose check is off. */
export async function tellScanners(checks: readonly CheckConfig[], timeoutMs = TIMEOUT_MS): Promise<Told[]> {
  const told: Told[] = [];
  const asked = checks.map(async (configured) => {
    const name = SCANNERS.find((scanner) => scanner === configured.check.name);
    const { settings } = configured;
    const reached = scannerSettingsOf(settings as unknown as Scanning);
    if (name === undefined || reached === undefined || isOff(configured)) return;
    const scanners = openScanners({ [name]: reached });
    const failure = await scanners[name]?.probe(AbortSignal.timeout(timeoutMs));
    scanners.close();
    tellScanner(name, reached.address, settings.on_temperror, failure, told);
  });
  await Promise.all(asked);
  return told;
}

function tellScanner(
  name: Name,
  address: ScannerAddress,
  onTemperror: string,
  failure: ScanFailure | undefined,
  told: Told[],
): void {
  const tell = tellingOf(`scanner ${name} ${formatAddress(address)}`, told);
  if (failure === undefined) tell('well', 'scanner-answers', 'Answers.');
  else {
    const reason = 'reason' in failure ? failure.reason : 'it takes no message';
    const so = onTemperror === 'defer' ? 'mail is deferred' : 'mail goes on without its verdict';
    tell('wrong', 'scanner-silent', `Gives no answer, so ${so}: ${quoted(reason)}.`, remedyFor(name, reason));
  }
}

const PROGRAM = { clamav: 'clamd', spamassassin: 'spamd', rspamd: 'rspamd' } as const;

function remedyFor(name: Name, reason: string): string {
  const program = PROGRAM[name];
  const setting = `mend address in [checks.${name}] of postern.toml`;
  if (reason.includes('EACCES'))
    return `let this user open ${program}'s socket: on Debian, adduser postern ${GROUP[name]}, and start the gate again`;
  // It makes its socket when it has read its signatures.
  const patience = name === 'clamav' ? ' and give it a minute or two' : '';
  return `start ${program}${patience}, or ${setting}`;
}

const GROUP = { clamav: 'clamav', spamassassin: 'debian-spamd', rspamd: '_rspamd' } as const;

function formatAddress(address: ScannerAddress): string {
  if (address.kind === 'unix') return address.path;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}
