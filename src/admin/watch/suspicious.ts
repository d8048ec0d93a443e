/** What looks wrong with the gate itself, for the daily summary: each a sentence with what to do about it. */
import type { CheckConfig } from '../../config/config.ts';
import type { Summary } from '../../core/decision.ts';
import { isSpeaking, type GateStatus } from '../../core/status.ts';
import type { CheckEffect } from '../../core/traffic.ts';
import type { WatchWorld } from './watch.ts';
import type { SummarySpan } from './summary.ts';

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** Fewer, and a check that finds nothing says nothing. */
const MANY_ASKED = 1000;
/** What one strange client does is no sign. */
const MANY_GOOD = 5;
/** One in so many of those who failed; below it good ones were merely unlucky. */
const GOOD_SHARE = 0.02;
const MANY_TEMPERRORS = 20;
const TEMPERROR_SHARE = 0.05;
const MAX_DETAIL = 160;

export async function suspicious(
  world: WatchWorld,
  span: SummarySpan,
  now: Summary,
): Promise<readonly string[]> {
  const { journal, nowMs } = world;
  const config = world.config();
  const effect = await journal.effect(span);
  const week = { sinceMs: span.untilMs - WEEK_MS, untilMs: span.untilMs };
  // A journal that is not a week old knows nothing of a week.
  const earlier = await journal.summary({ sinceMs: week.sinceMs - DAY_MS, untilMs: week.sinceMs });
  const weekly = earlier.received === 0 ? [] : await journal.effect(week);
  return [
    ...(world.gates === undefined ? [] : aboutGates(world.gates(), nowMs())),
    ...config.checks.filter(isWanted).flatMap(cannotRun),
    ...(earlier.received === 0 ? [] : config.checks.flatMap((check) => neverFires(check, weekly))),
    ...effect.flatMap(onGoodStanding),
    ...effect.flatMap(withoutAnswer),
    ...(now.received === 0 ? ['Nobody has connected in that time: does mail still come this way?'] : []),
  ];
}

function aboutGates(gates: readonly GateStatus[], nowMs: number): readonly string[] {
  const speaking = gates.filter((gate) => isSpeaking(gate, nowMs));
  if (speaking.length === 0) return ['The gate does not run, or does not say how it is.'];
  const dropped = speaking.reduce((sum, { journal }) => sum + journal.dropped, 0);
  const ill = new Map<string, string>();
  for (const { kind, name, state, detail } of speaking.flatMap(({ dependencies }) => dependencies)) {
    if (state !== 'ill' && state !== 'slow') continue;
    const why = detail === undefined ? '' : `: ${shown(detail)}`;
    ill.set(
      `${kind} ${name}`,
      `${KINDS[kind]} ${shown(name)} ${state === 'ill' ? 'is not well' : 'is slow'} now${why}`,
    );
  }
  return [
    ...ill.values(),
    ...(dropped === 0
      ? []
      : [
          `${dropped} decisions since the gate's start are not in the journal: they came faster than it could be written.`,
        ]),
  ];
}

const KINDS: Readonly<Record<GateStatus['dependencies'][number]['kind'], string>> = {
  backend: 'The backend',
  dns: 'The DNS server',
  'dns-list': 'The list',
  scanner: 'The scanner',
  certificate: 'The certificate',
  store: 'The store',
  journal: 'The journal',
};

/** The file itself says what it is to do: what is on by default, and idle for want of a list, is nobody's mistake. */
const isWanted = ({ settings, origins }: CheckConfig): boolean =>
  settings.on_fail !== 'off' && /:\d+$/.test(origins.on_fail);

const cannotRun = ({ check, idle }: CheckConfig): readonly string[] =>
  idle === undefined ? [] : [`The check ${check.name} is on and cannot run: ${shown(idle)}`];

function neverFires({ check, settings, idle }: CheckConfig, week: readonly CheckEffect[]): readonly string[] {
  if (settings.on_fail === 'off' || idle !== undefined) return [];
  const did = week.find((effect) => effect.check === check.name);
  if (did === undefined || did.failed > 0 || did.asked < MANY_ASKED) return [];
  return [
    `The check ${check.name} was asked ${did.asked} times in seven days and has found nothing: is it set as it should be?`,
  ];
}

function onGoodStanding(effect: CheckEffect): readonly string[] {
  const { check, onGoodStanding: good, failed, refused, deferred } = effect;
  if (good < MANY_GOOD || good < GOOD_SHARE * failed || refused + deferred === 0) return [];
  return [
    `The check ${check} has found fault with ${good} messages of clients in good standing (of ${failed} in all): see whether it is right.`,
  ];
}

function withoutAnswer({ check, temperror, asked }: CheckEffect): readonly string[] {
  if (temperror < MANY_TEMPERRORS || temperror < TEMPERROR_SHARE * asked) return [];
  return [`The check ${check} got no answer ${temperror} times of ${asked}.`];
}

/** Strangers' servers have a say in it. */
const shown = (text: string): string =>
  text
    .slice(0, MAX_DETAIL)
    .replace(/[^\x20-\x7e]/g, '?')
    .trim();
