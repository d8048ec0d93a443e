import assert from 'node:assert/strict';
import { it } from 'node:test';
import { emptyPorts, site } from '../../test/fakes/ask.ts';
import { buildLists } from '../core/lists.ts';
import { ATTEMPTS } from '../doors/gateway/entrance.ts';
import { passes } from '../doors/emergency.ts';
import type { GatewaySettings } from '../doors/gateway/world.ts';
import { atTheDoor } from './at-the-door.ts';

const CLIENT = '198.51.100.9';

/** What the door looks at, and no more. */
const settings = (standing: { good: number; bad: number }, turnAwayPercent: number, attempts?: number) =>
  ({
    policy: { site },
    ports: {
      ...emptyPorts(),
      standing: { of: () => standing },
      store: { recall: (space: string) => (space === ATTEMPTS ? attempts : undefined) },
      lists: buildLists([
        { kind: 'allow', client: '198.51.100.7', source: 'x:1' },
        { kind: 'allow', host: 'mail.example.net', source: 'x:2' },
      ]),
    },
    emergency: { turnAwayPercent },
  }) as unknown as GatewaySettings;

const GOOD = { good: 5, bad: 0 };
const BAD = { good: 0, bad: 2 };
const UNKNOWN = { good: 0, bad: 0 };

const cases: [name: string, address: string, settings: GatewaySettings, said: RegExp][] = [
  ['ours', '10.1.2.3', settings(BAD, 90), /^let in before all others/],
  ['allowed', '198.51.100.7', settings(BAD, 90), /^let in before all others/],
  ['good', CLIENT, settings(GOOD, 90), /^let in, also under load .*: standing good \(good 5\.0, bad 0\.0\)$/],
  [
    'unknown',
    CLIENT,
    settings(UNKNOWN, 0),
    /^let in; under load behind those in good standing: standing unknown/,
  ],
  ['bad', CLIENT, settings(BAD, 0), /^let in; under load among the first to be turned away: standing bad/],
  ['bad in an emergency', CLIENT, settings(BAD, 90), /^emergency, 95 of 100 are turned away: /],
];
for (const [name, address, world, said] of cases)
  it(`tells what the door would do: ${name}`, async () =>
    assert.match(await atTheDoor(world, address), said));

it('knows whose turn is next', async () => {
  for (let before = 0; before < 12; before++) {
    const said = await atTheDoor(settings(UNKNOWN, 90, before), CLIENT);
    const isIn = passes(CLIENT, before + 1, 90);
    assert.ok(said.includes(`its next connection is ${isIn ? 'let in' : 'turned away'}, `), said);
  }
});
