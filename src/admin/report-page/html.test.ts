import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { html, plain } from './html.ts';

describe('html', () => {
  it('makes text of what is put in, and keeps what is markup already', () => {
    const inner = html`<b>${'<i>&"\''}</b>`;
    assert.equal(
      html`<p title="${'">'}">${inner}${[inner, inner]}${undefined}${7}</p>`.html,
      `<p title="&quot;&gt;">${inner.html.repeat(3)}7</p>`,
    );
  });

  it('never lets a text begin markup, or end an attribute', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(html`${text}`.html, /[<>"'\0\u202e]|&(?!(?:amp|lt|gt|quot|#39);)/);
      }),
    );
  });
});

describe('plain text', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['a\r\nb\rc\td', 'a\nb\nc\td'],
    ['a\0b\x1b[31mc\x7f\x9b', 'ab[31mc'],
    ['exe\u202etxt.\u2066a\u200b\ufeff', 'exetxt.a'],
    ['\ud800a\udc00', 'a'],
    ['Grüße 🙂 日本', 'Grüße 🙂 日本'],
  ];
  for (const [said, expected] of cases)
    it(JSON.stringify(said), () => {
      assert.equal(plain(said), expected);
      assert.ok(plain(said).isWellFormed());
    });
});
