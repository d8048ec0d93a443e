import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DEFAULT_MILTER_LIMITS } from './limits.ts';
import { Macros } from './macros.ts';

const defined = (macros: Macros, stage: string, ...words: string[]) =>
  macros.define(
    Buffer.from(`${stage}${words.map((w) => `${w}\0`).join('')}`, 'latin1'),
    DEFAULT_MILTER_LIMITS,
  );

describe('macros', () => {
  it('have one name, with or without braces', () => {
    const macros = new Macros();
    defined(macros, 'C', 'j', 'mx.example.org', '{daemon_addr}', '192.0.2.1', '{i}', 'Q1', 'if_name', 'x');
    for (const [name, value] of [
      ['j', 'mx.example.org'],
      ['{j}', 'mx.example.org'],
      ['daemon_addr', '192.0.2.1'],
      ['{daemon_addr}', '192.0.2.1'],
      ['i', 'Q1'],
      ['{if_name}', 'x'],
      ['client_addr', undefined],
      ['__proto__', undefined],
    ] as const) {
      assert.equal(macros.get(name), value, name);
    }
  });

  it('hold until their stage comes again, the latest stage first', () => {
    const macros = new Macros();
    defined(macros, 'C', 'i', 'connect');
    defined(macros, 'M', 'i', 'mail');
    assert.equal(macros.get('i'), 'mail');
    macros.begin('connect');
    assert.equal(macros.get('i'), 'connect', 'a command forgets those of later stages');
  });

  it('of a command that came without any are forgotten', () => {
    const macros = new Macros();
    defined(macros, 'C', 'j', 'mx');
    macros.begin('connect');
    defined(macros, 'R', '{rcpt_addr}', 'a@example.org');
    macros.begin('rcpt');
    assert.equal(macros.get('rcpt_addr'), 'a@example.org');
    macros.begin('rcpt');
    assert.equal(macros.get('rcpt_addr'), undefined);
    assert.equal(macros.get('j'), 'mx');
  });

  it('of a step that is left out hold for those behind it', () => {
    const macros = new Macros();
    defined(macros, 'T', 'i', 'Q1');
    defined(macros, 'L', '{x}', '1');
    macros.begin('header');
    assert.deepEqual([macros.get('i'), macros.get('x')], ['Q1', '1']);
  });

  it('of the message end with it, those of the client do not', () => {
    const macros = new Macros();
    defined(macros, 'H', '{tls_version}', 'TLSv1.3');
    for (const stage of ['M', 'R', 'T', 'L', 'N', 'B', 'E', 'U'])
      defined(macros, stage, `{of_${stage}}`, 'x');
    macros.endMessage();
    for (const stage of ['M', 'R', 'T', 'L', 'N', 'B', 'E', 'U'])
      assert.equal(macros.get(`of_${stage}`), undefined);
    assert.equal(macros.get('tls_version'), 'TLSv1.3');
    macros.forget();
    assert.equal(macros.get('tls_version'), undefined);
  });

  it('of an unknown stage, without values, or cut off, are no mistake', () => {
    const macros = new Macros();
    for (const payload of [
      '',
      'Xj\0mx\0',
      '?',
      'Oj\0mx\0',
      'Qj\0mx\0',
      'C',
      'C\0',
      'Cj',
      'Cj\0',
      'Cj\0mx',
      '\0\0\0',
    ]) {
      macros.define(Buffer.from(payload), DEFAULT_MILTER_LIMITS);
      assert.equal(macros.get('j'), undefined, JSON.stringify(payload));
    }
    defined(macros, 'C', 'j', 'mx', '{v}');
    assert.deepEqual([macros.get('j'), macros.get('v')], ['mx', undefined]);
    defined(macros, 'C', 'j', '');
    assert.equal(macros.get('j'), '', 'an empty value is one');
  });

  it('are kept up to their number', () => {
    const macros = new Macros();
    const words = ['{a}', '1', '{b}', '2', '{c}', '3'];
    const payload = Buffer.from(`C${words.join('\0')}\0`);
    for (const [limit, kept] of [
      [2, ['1', '2', undefined]],
      [3, ['1', '2', '3']],
      [4, ['1', '2', '3']],
    ] as const) {
      macros.define(payload, { macros: limit, macroOctets: 1000 });
      assert.deepEqual([macros.get('a'), macros.get('b'), macros.get('c')], kept);
    }
  });

  it('are kept up to their octets; one that does not fit leaves room for the next', () => {
    const macros = new Macros();
    const payload = Buffer.from(`C{a}\0${'x'.repeat(10)}\0{b}\0y\0`);
    for (const [macroOctets, kept] of [
      [12, [undefined, 'y']],
      [13, ['x'.repeat(10), undefined]],
      [17, ['x'.repeat(10), 'y']],
    ] as const) {
      macros.define(payload, { macros: 10, macroOctets });
      assert.deepEqual([macros.get('a'), macros.get('b')], kept, String(macroOctets));
    }
  });

  it('of a stage that has none leave all as it is', () => {
    const macros = new Macros();
    defined(macros, 'E', 'i', 'Q1');
    macros.begin('abort');
    assert.equal(macros.get('i'), 'Q1');
  });
});
