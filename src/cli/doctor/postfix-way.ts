/** What a milter and a policy service have in common for Postfix: who would ask, and the way to a Unix socket. */
import { formatForPostfix, type Place } from './place.ts';
import { forStrangers, queueFolder, type PostfixSettings, type Service } from './postconf.ts';
import { wayTo, type User } from './socket-way.ts';
import type { Telling } from './told.ts';

/** Those of its servers that strangers come to; where there is none, that is told. */
export function serversFound(postfix: PostfixSettings, tell: Telling): readonly Service[] {
  const servers = forStrangers(postfix);
  if (servers.length === 0)
    tell('wrong', 'no-smtpd', `${postfix.dir}/master.cf has no smtpd: this Postfix takes no mail by SMTP.`);
  return servers;
}

/** What to write, and where to listen, so that a service of Postfix finds the listener. */
export function remedyFor(listener: Place, postfix: PostfixSettings, services: readonly Service[]): Place {
  if (!('path' in listener) || !services.some(({ chroot }) => chroot)) return listener;
  const queue = `${queueFolder(postfix)}/`;
  // A path without a slash before it is found from the queue folder, in a chroot or not.
  return listener.path.startsWith(queue) ? { path: listener.path.slice(queue.length) } : listener;
}

export function tellChroot(listener: Place, service: Service, postfix: PostfixSettings, tell: Telling): void {
  if (!('path' in listener)) return;
  const name = listener.path.replace(/^.*\//, '');
  const inQueue = `${queueFolder(postfix)}/postern/${name}`;
  tell(
    'wrong',
    'chroot-hides-socket',
    `Postfix names ${formatForPostfix(listener)}, but its ${service.name} runs in a chroot and looks below ${queueFolder(postfix)}.`,
    `in postern.toml: address = "unix:${inQueue}"; in Postfix: unix:postern/${name}`,
  );
}

export function tellWay(
  listener: Place,
  user: User | undefined,
  postfix: PostfixSettings,
  services: readonly Service[],
  tell: Telling,
): void {
  if (!('path' in listener)) return;
  if (user === undefined) {
    tell(
      'note',
      'socket-way-unknown',
      "Whether Postfix may use the socket cannot be told: its user's number and groups are not known.",
    );
    return;
  }
  const queue = queueFolder(postfix);
  const from = services.every(({ chroot }) => chroot) ? queue : '/';
  const way = wayTo(listener.path, user, from);
  switch (way.kind) {
    case 'open':
      tell('well', 'socket-way', `Postfix's user ${user.name} may use the socket.`);
      return;
    case 'closed':
      if (way.what === 'folder')
        tell(
          'wrong',
          'socket-folder-closed',
          `Postfix's user ${user.name} may not go through the folder ${way.path}.`,
          `chmod o+x ${way.path}, or give it to a group that ${user.name} is in`,
        );
      else
        tell(
          'wrong',
          'socket-closed',
          `Postfix's user ${user.name} may not write to the socket.`,
          `in its [[listen]]: group = "${user.name}" and mode = "0660"`,
        );
      return;
    case 'missing':
    case 'no-socket':
      // The listener itself is told of elsewhere.
      return;
    case 'unknown':
      tell(
        'note',
        'socket-way-unknown',
        `Whether Postfix may use the socket cannot be told: this user may not look at ${way.path}.`,
        'call it as root',
      );
      return;
    default:
      way satisfies never;
  }
}
