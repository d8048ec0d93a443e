/** What Postfix's configuration says of a milter listener (MILTER_README, postconf(5)). */
import { formatForPostfix, meets, type Place } from './place.ts';
import {
  elementsOf,
  listOfPlaces,
  readNamed,
  readSeconds,
  settingOf,
  smtpServers,
  whereItLooks,
  type Named,
  type PostfixSettings,
  type Service,
} from './postconf.ts';
import { remedyFor, serversFound, tellChroot, tellWay } from './postfix-way.ts';
import type { User } from './socket-way.ts';
import { quoted, type Telling } from './told.ts';

export function tellMilterInPostfix(
  listener: Place,
  postfix: PostfixSettings,
  around: { readonly user: User | undefined; readonly checksTimeoutMs: number },
  tell: Telling,
): void {
  const servers = serversFound(postfix, tell);
  if (servers.length === 0) return;
  const asks = (service: Service): Named | undefined =>
    milters(postfix, service, 'smtpd_milters').find(
      ({ place }) => place !== undefined && meets(listener, whereItLooks(postfix, service, place)),
    );
  const deaf = servers.filter((service) => asks(service) === undefined);
  for (const service of deaf) tellDeaf(listener, service, postfix, servers, tell);
  const asking = servers.filter((service) => !deaf.includes(service));
  if (asking.length > 0) {
    tell('well', 'postfix-asks', `Postfix asks it: smtpd_milters of ${names(asking)}.`);
    tellWay(listener, around.user, postfix, asking, tell);
  }
  const [first] = asking;
  const named = first === undefined ? undefined : asks(first);
  if (first !== undefined && named !== undefined)
    tellHow(named, first, postfix, around.checksTimeoutMs, tell);
  const others = smtpServers(postfix).filter((s) => !servers.includes(s) && asks(s) === undefined);
  if (others.length > 0)
    tell(
      'note',
      'others-do-not-ask',
      `${names(others)} ${others.length === 1 ? 'does' : 'do'} not ask it: mail that comes there is not seen.`,
    );
  tellLocal(listener, postfix, tell);
}

function tellDeaf(
  listener: Place,
  service: Service,
  postfix: PostfixSettings,
  servers: readonly Service[],
  tell: Telling,
): void {
  const list = milters(postfix, service, 'smtpd_milters');
  if (service.chroot && list.some(({ place }) => place !== undefined && meets(listener, place))) {
    tellChroot(listener, service, postfix, tell);
    return;
  }
  const wanted = formatForPostfix(remedyFor(listener, postfix, servers));
  if (service.settings.has('smtpd_milters')) {
    tell(
      'wrong',
      'service-has-its-own',
      `Postfix's ${service.name} does not ask it: its own smtpd_milters in master.cf is ${quoted(listOfPlaces(list))}.`,
      `take the line "-o smtpd_milters" of ${service.name} out of master.cf, or add ${wanted} there`,
    );
    return;
  }
  const value = settingOf(postfix, undefined, 'smtpd_milters');
  tell(
    'wrong',
    'postfix-does-not-ask',
    `Postfix's ${service.name} does not ask it: smtpd_milters is ${quoted(value)}.`,
    `in main.cf: smtpd_milters = ${value === '' ? wanted : `${quoted(value).slice(1, -1)}, ${wanted}`}; then: postfix reload`,
  );
}

/** `connect_timeout` and so on of one milter stand before those of all (Postfix 3.0 and later). */
function tellHow(
  { options }: Named,
  service: Service,
  postfix: PostfixSettings,
  checksTimeoutMs: number,
  tell: Telling,
): void {
  const inForce = (name: string): string =>
    options.get(name) ?? settingOf(postfix, service, `milter_${name}`);
  const protocol = inForce('protocol');
  if (protocol === '6') tell('well', 'milter-protocol', 'milter_protocol is 6.');
  else
    tell(
      'wrong',
      'milter-protocol',
      `milter_protocol is ${quoted(protocol)}: Postfix leaves out what the checks want to know.`,
      'in main.cf: milter_protocol = 6',
    );
  tellDefaultAction(inForce('default_action'), tell);
  const seconds = readSeconds(inForce('command_timeout'));
  if (seconds !== undefined && seconds * 1000 <= checksTimeoutMs)
    tell(
      'wrong',
      'command-timeout',
      `Postfix waits ${seconds} s for an answer (milter_command_timeout), the checks may take ${checksTimeoutMs / 1000} s (checks_timeout).`,
      `in main.cf: milter_command_timeout = ${checksTimeoutMs / 1000 + 10}s`,
    );
  const maps = settingOf(postfix, service, 'smtpd_milter_maps');
  if (maps !== '')
    tell(
      'note',
      'milter-maps',
      `smtpd_milter_maps is ${quoted(maps)}: for clients that stand there its answer replaces smtpd_milters.`,
    );
}

function tellDefaultAction(action: string, tell: Telling): void {
  switch (action) {
    case 'tempfail':
      tell(
        'well',
        'default-action',
        'While it is down, Postfix defers mail (milter_default_action = tempfail).',
      );
      return;
    case 'accept':
      tell(
        'note',
        'default-action',
        'While it is down, mail passes unseen (milter_default_action = accept).',
        'to defer it instead: milter_default_action = tempfail',
      );
      return;
    case 'reject':
      tell(
        'wrong',
        'default-action',
        'While it is down, mail is refused for good (milter_default_action = reject).',
        'in main.cf: milter_default_action = tempfail',
      );
      return;
    default:
      tell('note', 'default-action', `While it is down: milter_default_action is ${quoted(action)}.`);
  }
}

function tellLocal(listener: Place, postfix: PostfixSettings, tell: Telling): void {
  const list = milters(postfix, undefined, 'non_smtpd_milters');
  const [cleanup] = postfix.services.filter(({ program }) => program === 'cleanup');
  const asks = list.some(
    ({ place }) =>
      place !== undefined &&
      meets(listener, cleanup === undefined ? place : whereItLooks(postfix, cleanup, place)),
  );
  if (asks)
    tell(
      'note',
      'local-mail',
      'non_smtpd_milters names it too: mail of local programs is judged as if 127.0.0.1 had sent it.',
      'take it out of non_smtpd_milters, or add 127.0.0.0/8 to networks in postern.toml',
    );
}

function milters(postfix: PostfixSettings, service: Service | undefined, name: string): Named[] {
  return elementsOf(settingOf(postfix, service, name)).map(readNamed);
}

const names = (services: readonly Service[]): string => services.map(({ name }) => name).join(', ');
