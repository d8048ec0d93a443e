/** Postfix's configuration as Postfix itself reads it: what `postconf` prints, with `$name` filled in. */
import { formatPlace, readHostAndPort, type Place } from './place.ts';

export interface PostfixSettings {
  /** The folder of main.cf. */
  readonly dir: string;
  readonly main: ReadonlyMap<string, string>;
  readonly services: readonly Service[];
}

/** A line of master.cf. */
export interface Service {
  /** `smtp/inet`, as `postconf -P` names it. */
  readonly name: string;
  readonly chroot: boolean;
  readonly program: string;
  /** Its `-o` lines. */
  readonly settings: ReadonlyMap<string, string>;
}

/** From what `postconf -x`, `postconf -M` and `postconf -x -P` print. */
export function readPostfix(
  dir: string,
  printed: { readonly main: string; readonly services: string; readonly overrides: string },
): PostfixSettings {
  const main = new Map<string, string>();
  for (const line of printed.main.split('\n')) {
    const m = /^([\w.-]+) =(.*)$/.exec(line);
    if (m !== null) main.set(m[1] ?? '', (m[2] ?? '').trim());
  }
  const overrides = new Map<string, Map<string, string>>();
  for (const line of printed.overrides.split('\n')) {
    const m = /^(\S+\/[a-z-]+)\/([\w.-]+) =(.*)$/.exec(line);
    if (m === null) continue;
    const ofService = overrides.get(m[1] ?? '') ?? new Map<string, string>();
    overrides.set(m[1] ?? '', ofService.set(m[2] ?? '', (m[3] ?? '').trim()));
  }
  const services = printed.services.split('\n').flatMap((line): Service[] => {
    const [service, type, , , chroot, , , program] = line.trim().split(/\s+/);
    if (service === undefined || type === undefined || chroot === undefined || program === undefined)
      return [];
    const name = `${service}/${type}`;
    const isChrooted = chroot === '-' ? isChrootedByDefault(main) : chroot === 'y';
    return [{ name, chroot: isChrooted, program, settings: overrides.get(name) ?? new Map() }];
  });
  return { dir, main, services };
}

// COMPATIBILITY_README: chroot=y was the default up to Postfix 2.11, and is again below level 1.
const isChrootedByDefault = (main: ReadonlyMap<string, string>): boolean =>
  !(Number.parseFloat(main.get('compatibility_level') ?? '0') >= 1);

export function settingOf(postfix: PostfixSettings, service: Service | undefined, name: string): string {
  return service?.settings.get(name) ?? postfix.main.get(name) ?? '';
}

export function smtpServers({ services }: PostfixSettings): Service[] {
  return services.filter(({ program }) => program === 'smtpd');
}

/** Those that strangers reach: port 25, or behind postscreen. Where none is named so, all that are. */
export function forStrangers(postfix: PostfixSettings): Service[] {
  const all = smtpServers(postfix);
  const known = all.filter(({ name }) => /^(?:.*:)?(?:smtp|25)\/inet$|\/pass$/.test(name));
  return known.length === 0 ? all : known;
}

/** Elements between white space or commas; `{ … }` is one (postconf(5)). An unclosed brace goes on to the end. */
export function elementsOf(value: string): string[] {
  const elements: string[] = [];
  let depth = 0;
  let element = '';
  for (const c of value) {
    if (c === '{') depth++;
    if (c === '}') depth--;
    if (depth <= 0 && /[\s,]/.test(c)) {
      if (element !== '') elements.push(element);
      element = '';
    } else element += c;
  }
  return element === '' ? elements : [...elements, element];
}

/** A milter or a policy service as Postfix names it: `inet:host:port`, `unix:path`, `{ inet:host:port, timeout=10s }`. */
export interface Named {
  readonly text: string;
  /** Absent: no form that Postfix knows. The path as it is written: where it begins the service's chroot says. */
  readonly place: Place | undefined;
  readonly options: ReadonlyMap<string, string>;
}

export function readNamed(element: string): Named {
  const inner = element.startsWith('{') ? element.slice(1).replace(/\}\s*$/, '') : element;
  const [text = '', ...rest] = inner.split(',').map((part) => part.trim());
  const options = new Map<string, string>();
  for (const option of rest) {
    const m = /^\{?\s*([\w]+)\s*=\s*(.*?)\s*\}?$/.exec(option);
    if (m !== null) options.set(m[1] ?? '', m[2] ?? '');
  }
  const m = /^(inet|unix|local):(.+)$/i.exec(text);
  const where = m?.[2] ?? '';
  const place =
    m === null ? undefined : m[1]?.toLowerCase() === 'inet' ? readHostAndPort(where) : { path: where };
  return { text, place, options };
}

/** Where the service looks: a path begins at the queue folder, and where the service is in a chroot, any path does. */
export function whereItLooks(postfix: PostfixSettings, service: Service, named: Place): Place {
  if (!('path' in named)) return named;
  const { path } = named;
  if (path.startsWith('/') && !service.chroot) return named;
  return { path: `${queueFolder(postfix)}/${path.replace(/^\/+/, '')}` };
}

export const queueFolder = ({ main }: PostfixSettings): string =>
  (main.get('queue_directory') ?? '/var/spool/postfix').replace(/\/+$/, '');

/** `30s`, `5m`, or a number in the setting's own unit, which is seconds for all that we read. */
export function readSeconds(text: string): number | undefined {
  const m = /^(\d{1,9})\s*([smhdw]?)$/.exec(text.trim());
  if (m === null) return undefined;
  const units: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
  return Number(m[1]) * (units[m[2] ?? ''] ?? 1);
}

export const listOfPlaces = (named: readonly Named[]): string =>
  named.map(({ text, place }) => (place === undefined ? text : formatPlace(place))).join(', ');
