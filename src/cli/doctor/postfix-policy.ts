/** What Postfix's configuration says of a policy listener (SMTPD_POLICY_README, SMTPD_ACCESS_README). */
import { formatForPostfix, meets, type Place } from './place.ts';
import {
  elementsOf,
  readNamed,
  readSeconds,
  settingOf,
  whereItLooks,
  type Named,
  type PostfixSettings,
  type Service,
} from './postconf.ts';
import { remedyFor, serversFound, tellChroot, tellWay } from './postfix-way.ts';
import type { User } from './socket-way.ts';
import { quoted, type Telling } from './told.ts';

const RECIPIENT = 'smtpd_recipient_restrictions';
const RELAY = 'smtpd_relay_restrictions';
const END = 'smtpd_end_of_data_restrictions';
const LISTS = [
  'smtpd_client_restrictions',
  'smtpd_helo_restrictions',
  'smtpd_sender_restrictions',
  RELAY,
  RECIPIENT,
  'smtpd_data_restrictions',
  END,
] as const;

/** Behind one of these only recipients are asked about that Postfix delivers or relays for. */
const RELAY_RULES: ReadonlySet<string> = new Set(['reject_unauth_destination', 'defer_unauth_destination']);
/** What no word behind is ever reached after. */
const ENDS: ReadonlySet<string> = new Set(['permit', 'reject', 'defer']);

interface Asked {
  readonly list: string;
  readonly named: Named;
  /** The words before it. */
  readonly before: readonly string[];
  /** Through a class of smtpd_restriction_classes. */
  readonly through?: string;
}

export function tellPolicyInPostfix(
  listener: Place,
  postfix: PostfixSettings,
  around: { readonly user: User | undefined; readonly checksTimeoutMs: number },
  tell: Telling,
): void {
  const servers = serversFound(postfix, tell);
  if (servers.length === 0) return;
  for (const service of servers) tellService(listener, service, postfix, around, tell);
}

function tellService(
  listener: Place,
  service: Service,
  postfix: PostfixSettings,
  { user, checksTimeoutMs }: { readonly user: User | undefined; readonly checksTimeoutMs: number },
  tell: Telling,
): void {
  const all = LISTS.flatMap((list) => askedIn(postfix, service, list));
  const isHere = ({ named: { place } }: Asked): boolean =>
    place !== undefined && meets(listener, whereItLooks(postfix, service, place));
  const here = all.filter(isHere);
  const words = `check_policy_service ${formatForPostfix(remedyFor(listener, postfix, [service]))}`;
  if (here.length === 0) {
    const hidden = all.find(({ named: { place } }) => place !== undefined && meets(listener, place));
    if (service.chroot && hidden !== undefined) tellChroot(listener, service, postfix, tell);
    else tellDeaf(service, postfix, all, words, tell);
    return;
  }
  const atRecipient = here.find(({ list }) => list === RECIPIENT);
  if (atRecipient === undefined) {
    const [elsewhere] = here;
    tell(
      'wrong',
      'not-at-recipient',
      `${service.name}: it is asked in ${elsewhere?.list ?? ''}, not in ${RECIPIENT}.`,
      `put "${words}" behind reject_unauth_destination in ${RECIPIENT}`,
    );
  } else tellRecipientList(atRecipient, service, postfix, words, tell);
  if (here.some(({ list }) => list === END))
    tell('well', 'at-end-of-data', `${service.name} asks it at the end of the message too (${END}).`);
  else
    tell(
      'note',
      'not-at-end-of-data',
      `${service.name} does not ask it at the end of the message: it never hears that a delivery went well.`,
      `in main.cf: ${END} = ${words}`,
    );
  tellWay(listener, user, postfix, [service], tell);
  tellHow((atRecipient ?? here[0])?.named, service, postfix, checksTimeoutMs, tell);
}

function tellDeaf(
  service: Service,
  postfix: PostfixSettings,
  others: readonly Asked[],
  words: string,
  tell: Telling,
): void {
  const own = [...service.settings.keys()].includes(RECIPIENT) ? ' (its own, in master.cf)' : '';
  const instead =
    others.length === 0 ? '' : ` It asks ${[...new Set(others.map((o) => o.named.text))].join(', ')}.`;
  tell(
    'wrong',
    'postfix-does-not-ask',
    `${service.name}: ${RECIPIENT}${own} is ${quoted(settingOf(postfix, service, RECIPIENT))} and does not name it.${instead}`,
    `put "${words}" behind reject_unauth_destination in ${RECIPIENT}; then: postfix reload`,
  );
}

function tellRecipientList(
  asked: Asked,
  service: Service,
  postfix: PostfixSettings,
  words: string,
  tell: Telling,
): void {
  const { before, through } = asked;
  const end = before.find((word) => ENDS.has(word));
  if (end !== undefined) {
    tell(
      'wrong',
      'never-reached',
      `${service.name}: "${end}" stands before it in ${RECIPIENT}, so it is never asked.`,
      `put "${words}" before "${end}"`,
    );
    return;
  }
  const relayFirst =
    settingOf(postfix, service, 'smtpd_relay_before_recipient_restrictions') === 'yes' &&
    elementsOf(settingOf(postfix, service, RELAY)).some((word) => RELAY_RULES.has(word));
  if (!before.some((word) => RELAY_RULES.has(word)) && !relayFirst) {
    tell(
      'wrong',
      'before-relay-rule',
      `${service.name}: it stands before reject_unauth_destination in ${RECIPIENT}, and is asked about recipients that are none of yours.`,
      `put "${words}" behind reject_unauth_destination`,
    );
    return;
  }
  const how = through === undefined ? '' : `, where a table names the class "${through}"`;
  tell(
    'well',
    'postfix-asks',
    `${service.name} asks it in ${RECIPIENT}, behind reject_unauth_destination${how}.`,
  );
}

/** A service's own options stand before those of all (Postfix 3.0 and later). */
function tellHow(
  named: Named | undefined,
  service: Service,
  postfix: PostfixSettings,
  checksTimeoutMs: number,
  tell: Telling,
): void {
  const action =
    named?.options.get('default_action') ??
    settingOf(postfix, service, 'smtpd_policy_service_default_action');
  if (/^(?:4\d\d|DEFER)\b/i.test(action))
    tell('well', 'default-action', `While it is down, Postfix defers mail (${quoted(action)}).`);
  else if (/^(?:5\d\d|REJECT)\b/i.test(action))
    tell(
      'wrong',
      'default-action',
      `While it is down, mail is refused for good: smtpd_policy_service_default_action is ${quoted(action)}.`,
      'in main.cf: smtpd_policy_service_default_action = 451 4.3.5 Server configuration problem',
    );
  else
    tell(
      'note',
      'default-action',
      `While it is down, mail passes unseen: smtpd_policy_service_default_action is ${quoted(action)}.`,
    );
  const timeout =
    named?.options.get('timeout') ?? settingOf(postfix, service, 'smtpd_policy_service_timeout');
  const seconds = readSeconds(timeout);
  if (seconds !== undefined && seconds * 1000 <= checksTimeoutMs)
    tell(
      'wrong',
      'policy-timeout',
      `Postfix waits ${seconds} s for an answer (smtpd_policy_service_timeout), the checks may take ${checksTimeoutMs / 1000} s (checks_timeout).`,
      `in main.cf: smtpd_policy_service_timeout = ${checksTimeoutMs / 1000 + 10}s`,
    );
}

/** Each `check_policy_service` of a list, and of the classes that the list or the operator's tables may name. */
function askedIn(postfix: PostfixSettings, service: Service, list: string): Asked[] {
  const words = elementsOf(settingOf(postfix, service, list));
  const direct = policyServices(words).map(({ named, at }) => ({ list, named, before: words.slice(0, at) }));
  const classes = elementsOf(settingOf(postfix, service, 'smtpd_restriction_classes'));
  return [
    ...direct,
    ...words.flatMap((word, at) =>
      classes.includes(word)
        ? policyServices(elementsOf(settingOf(postfix, service, word))).map(({ named }) => ({
            list,
            named,
            before: words.slice(0, at),
          }))
        : [],
    ),
    ...(words.some((word) => /^check_\w+_access$/.test(word)) ? classes : []).flatMap((name) =>
      policyServices(elementsOf(settingOf(postfix, service, name))).map(({ named }) => ({
        list,
        named,
        before: words.slice(
          0,
          words.findIndex((word) => /^check_\w+_access$/.test(word)),
        ),
        through: name,
      })),
    ),
  ];
}

function policyServices(words: readonly string[]): { readonly named: Named; readonly at: number }[] {
  return words.flatMap((word, at) =>
    word === 'check_policy_service' ? [{ named: readNamed(words[at + 1] ?? ''), at }] : [],
  );
}
