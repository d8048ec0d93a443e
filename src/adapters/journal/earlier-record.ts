/** Lines of journals written before steps named their recipient by its place. */
import type { Decision, Step } from '../../core/decision.ts';
import type { Recipient } from '../../core/recipient.ts';

type EarlierStep = Omit<Step, 'recipient'> & { readonly recipient?: Recipient | number };

/**
 * One recipient that was named more than once was judged as often, each time as far as the ladder was climbed: a check that comes a second
 * time for it begins the next of those judgements. What is left over was never answered.
 */
export function withPlaces(d: Decision): Decision {
  const places = new Map<string, number[]>();
  for (const [place, { mailbox, violationsSeen }] of d.recipients.entries()) {
    if (violationsSeen === undefined) continue;
    const key = keyOf(mailbox);
    const known = places.get(key);
    if (known === undefined) places.set(key, [place]);
    else known.push(place);
  }
  const judgements = new Map<string, { which: number; readonly checks: Set<string> }>();
  let unanswered: Recipient | undefined;
  const steps = (d.steps as readonly EarlierStep[]).map((step): Step => {
    const { recipient: mailbox } = step;
    if (typeof mailbox !== 'object') return step as Step;
    const key = keyOf(mailbox);
    let judgement = judgements.get(key);
    if (judgement === undefined) judgements.set(key, (judgement = { which: 0, checks: new Set<string>() }));
    else if (judgement.checks.has(step.check)) {
      judgement.which++;
      judgement.checks.clear();
    }
    judgement.checks.add(step.check);
    const place = places.get(key)?.[judgement.which];
    if (place === undefined) unanswered = mailbox;
    return { ...step, recipient: place ?? d.recipients.length };
  });
  return unanswered === undefined ? { ...d, steps } : { ...d, unanswered, steps };
}

const keyOf = ({ local, domain, tag }: Recipient): string => `${tag ?? ''} ${local}@${domain}`;
