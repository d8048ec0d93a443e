import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { checkSchema } from '../config/checks.ts';
import { COSTS, STAGES } from '../core/stage.ts';
import { LADDER } from './ladder.ts';

const NAMES = LADDER.map((check) => check.name);
const HERE = import.meta.dirname;

describe('the ladder', () => {
  it('names each check once', () => assert.equal(new Set(NAMES).size, NAMES.length));

  it('rises by cost', () => {
    const costs = LADDER.map((check) => COSTS.indexOf(check.cost));
    assert.deepEqual(
      costs,
      costs.toSorted((a, b) => a - b),
    );
  });

  it('ends before the message with the backend: nothing may refuse a recipient it took', () => {
    const last = LADDER.filter((check) => STAGES.indexOf(check.stage) <= STAGES.indexOf('rcpt')).at(-1);
    assert.equal(last!.name, 'recipients');
  });

  it('has every check of this folder', () => {
    const defined = readdirSync(HERE)
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .filter((file) => readFileSync(`${HERE}/${file}`, 'utf8').includes('= defineCheck('))
      .map((file) => file.slice(0, -'.ts'.length));
    assert.deepEqual(defined.toSorted(), NAMES.toSorted());
  });

  for (const check of LADDER) {
    describe(check.name, () => {
      const page = readFileSync(`${HERE}/${check.name}.md`, 'utf8');

      it('has a page that names each finding and each setting', () => {
        assert.ok(page.startsWith(`# ${check.name}\n`));
        for (const code of Object.keys(check.codes))
          assert.match(page, new RegExp(`^\\| \`${code}\``, 'm'), code);
        assert.ok(check.settings instanceof z.ZodObject);
        for (const setting of Object.keys(check.settings.shape))
          assert.match(page, new RegExp(`^\\| \`${setting}\``, 'm'), setting);
      });

      it('has defaults that its own schema takes', () => {
        const settings = checkSchema(check).parse({}) as unknown as typeof check.defaults;
        for (const key of ['on_fail', 'on_temperror', 'weight', 'refuse_at'] as const)
          assert.equal(settings[key], check.defaults[key]);
        for (const code of Object.keys(check.defaults.actions ?? {})) assert.ok(code in check.codes, code);
      });

      it('says what it does in a sentence', () => {
        assert.match(check.summary, /^[A-Z].*\.$/);
        for (const meaning of Object.values(check.codes)) assert.match(meaning, /^\S.*\S$/);
        assert.match(check.name, /^[a-z]+(?:-[a-z]+)*$/);
      });

      it('asks something where it costs something', () => {
        if (check.cost !== 'memory') assert.ok(check.gather !== undefined);
      });
    });
  }
});
