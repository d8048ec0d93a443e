import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ask, factsOf, site } from '../../test/fakes/ask.ts';
import { relay } from './relay.ts';

describe('relay', () => {
  const cases: [to: string, client: string, code: string][] = [
    ['user@example.org', '192.0.2.7', 'ours'],
    ['user@a.sub.example.org', '192.0.2.7', 'ours'],
    ['postmaster@', '192.0.2.7', 'ours'],
    ['user@example.org', '10.0.0.1', 'ours'],
    ['user@example.com', '10.0.0.1', 'permitted'],
    ['user@example.com', '192.0.2.7', 'denied'],
    ['user@a.example.org', '192.0.2.7', 'denied'],
    ['user@sub.example.org', '192.0.2.7', 'denied'],
    ['user%example.com@[198.51.100.25]', '192.0.2.7', 'denied'],
    ['postmaster@example.com', '192.0.2.7', 'denied'],
  ];
  for (const [to, client, code] of cases) {
    it(`${to} from ${client}: ${code}`, async () => {
      const { findings } = await ask(relay, { from: 'a@example.net', to, client });
      assert.deepEqual(
        findings.map((f) => f.code),
        [code],
      );
      const denied = code === 'denied';
      const [finding] = findings;
      assert.deepEqual(
        [finding!.result, finding!.enhanced, finding!.replyCode],
        denied ? ['fail', '5.7.1', 554] : ['pass', undefined, undefined],
      );
    });
  }

  it('who authenticated may', () => {
    const facts = factsOf({ from: 'a@example.net', to: 'user@example.com' });
    const session = { ...facts.session, authenticated: { mechanism: 'PLAIN', identity: 'user' } };
    const [finding] = relay.judge({ ...facts, session }, null, {} as never, site);
    assert.equal(finding!.code, 'permitted');
  });

  it('is lifted only by name', () => assert.equal(relay.lifted, 'by-name'));
});
