/** What no single value of `[[listen]]` shows: which settings go with which door, and what a door needs besides. */
import { readFileSync } from 'node:fs';
import type { KeyPath } from './locate.ts';
import type { FileSettings } from './schema.ts';
import { formatSocketAddress, type SocketAddress } from './values.ts';

const GROUPS_FILE = '/etc/group';

export const LACKS_BACKEND =
  'is missing; a gateway hands the mail on: add a table [backend] with url = "smtp://127.0.0.1:2526"';

/** Also of a file that the schema has something against, so that all mistakes are named at once. */
export function lacksBackend({ backend, listen }: Readonly<Record<string, unknown>>): boolean {
  if (backend !== undefined) return false;
  return !Array.isArray(listen) || listen.some((l) => doorOf(l) === 'gateway');
}

function doorOf(listener: unknown): unknown {
  if (typeof listener !== 'object' || listener === null || !('door' in listener)) return 'gateway';
  return listener.door;
}

/** The numbers of all groups that are named. */
export function checkListeners(
  said: FileSettings,
  complain: (path: KeyPath, message: string) => void,
): ReadonlyMap<string, number> {
  const paths = new Map<string, string>();
  const taken: Taken[] = [];
  const groups = new Map<string, number>();
  for (const [i, listener] of said.listen.entries()) {
    const { door, address, mode, group, role, tls, proxy_protocol_from } = listener;
    const wrong = (key: string, message: string) => complain(['listen', i, key], message);
    const isPath = 'path' in address;
    const name = `listen[${i + 1}]`;
    if (isPath) {
      const first = paths.get(address.path);
      if (first !== undefined) wrong('address', `the same address as ${first}; take one of them out`);
      else paths.set(address.path, name);
    } else {
      const clash = clashOf(taken, { name, at: address, takesIpv4: false });
      if (clash !== undefined) wrong('address', `${clash}; take one of them out`);
    }
    if (door === 'gateway') {
      if (isPath)
        wrong(
          'address',
          'a gateway takes mail from the network: write an address with a port, such as "0.0.0.0:25"',
        );
      if (said.tls === undefined && tls !== undefined && tls !== 'none')
        wrong('tls', `"${tls}" needs a certificate; add a table [tls] with certificate and key`);
    } else {
      const it = door === 'policy' ? 'a policy service' : 'a milter';
      const takeOut = `is for a gateway; ${it} hears of clients from the mail server, so take this line out`;
      if (role !== undefined) wrong('role', takeOut);
      if (tls !== undefined) wrong('tls', takeOut);
      if (proxy_protocol_from.length > 0) wrong('proxy_protocol_from', takeOut);
    }
    if (!isPath) {
      const onlyUnix = 'is for a Unix socket; take this line out, or write address = "unix:/run/postern/…"';
      if (mode !== undefined) wrong('mode', onlyUnix);
      if (group !== undefined) wrong('group', onlyUnix);
    } else if (group !== undefined) {
      const id = groupId(group);
      if (typeof id === 'number') groups.set(group, id);
      else wrong('group', id);
    }
  }
  for (const table of ['admin', 'report_page'] as const) {
    const at = said[table]?.listen;
    if (at === undefined) continue;
    const clash = clashOf(taken, { name: `${table}.listen`, at, takesIpv4: true });
    if (clash !== undefined) complain([table, 'listen'], `${clash}; give one of them another port`);
  }
  if (lacksBackend(said)) complain(['backend'], LACKS_BACKEND);
  return groups;
}

interface Taken {
  readonly name: string;
  readonly at: SocketAddress;
  /** At `::` it takes IPv4 too: Node's way, which the doors for mail do not go. */
  readonly takesIpv4: boolean;
}

/** Notes what is taken, and says whose it is already. Port 0 is any that is free. */
function clashOf(taken: Taken[], next: Taken): string | undefined {
  const { port } = next.at;
  if (port === 0) return undefined;
  const same = taken.find(({ at }) => at.port === port && at.address === next.at.address);
  if (same !== undefined) return `the same address as ${same.name}`;
  const before = taken.filter(({ at }) => at.port === port);
  taken.push(next);
  const wide = before.find((other) => covers(other, next));
  if (wide !== undefined)
    return `${wide.name} takes port ${port} of all addresses (${formatSocketAddress(wide.at)}), of this one too`;
  const narrow = before.find((other) => covers(next, other));
  return (
    narrow && `takes port ${port} of all addresses, also ${formatSocketAddress(narrow.at)} of ${narrow.name}`
  );
}

function covers({ at, takesIpv4 }: Taken, narrow: Taken): boolean {
  const isIpv6 = narrow.at.address.includes(':');
  if (at.address === '0.0.0.0') return !isIpv6 || (narrow.takesIpv4 && narrow.at.address === '::');
  return at.address === '::' && (isIpv6 || takesIpv4);
}

/** Or why it has none. */
function groupId(name: string): number | string {
  let text: string;
  try {
    text = readFileSync(GROUPS_FILE, 'utf8');
  } catch {
    return `${GROUPS_FILE} cannot be read, so "${name}" has no number`;
  }
  for (const line of text.split('\n')) {
    const [group, , id] = line.split(':');
    if (group === name && id !== undefined && /^\d{1,10}$/.test(id)) return Number(id);
  }
  return `there is no group "${name}" in ${GROUPS_FILE}; write one that the mail server is in`;
}
