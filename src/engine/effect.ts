import type { Step } from '../core/decision.ts';
import { hearingOf, type Treatment } from '../core/exemption.ts';
import type { Finding } from '../core/finding.ts';
import { effectOf } from '../core/ladder.ts';
import type { ConfiguredCheck, Policy } from '../core/policy.ts';

/** The step with what its findings led to. */
export function withEffect(step: Step, { checks }: Pick<Policy, 'checks'>, treatment: Treatment): Step {
  if (step.findings.every(isUneventful)) return step;
  const configured = checks.find(({ check }) => check.name === step.check);
  if (configured === undefined) return step;
  const action = strongest(step.findings, configured, treatment);
  return action === step.action ? step : { ...step, action };
}

// What most steps come to. A pass that carries a weight speaks for the client.
const isUneventful = ({ result, weight }: Finding): boolean =>
  result === 'none' || (result === 'pass' && weight === undefined);

const STRENGTH: readonly Step['action'][] = ['none', 'observe', 'go-on', 'tag', 'suspect', 'defer', 'refuse'];

function strongest(
  findings: readonly Finding[],
  { check, settings }: ConfiguredCheck,
  treatment: Treatment,
): Step['action'] {
  let best: Step['action'] = 'none';
  for (const finding of findings) {
    const { kind } = effectOf(finding, check, settings, treatment);
    const action = finding.result === 'temperror' && kind === 'observe' ? 'go-on' : kind;
    if (STRENGTH.indexOf(action) > STRENGTH.indexOf(best)) best = action;
  }
  return best !== 'none' && hearingOf(treatment, check) === 'none' ? 'exempt' : best;
}
