import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DnsType } from '../../core/ports.ts';
import { readZone } from './zone.ts';

describe('readZone', () => {
  const zone = readZone({
    'Mail.example.org A': '192.0.2.1',
    'example.org MX': ['10 Mail.example.org.', '0 .'],
    'www.example.org CNAME': 'mail.example.org',
    'gone.example.org CNAME': 'nowhere.example',
    'loop.example.org CNAME': 'loop.example.org',
    '*.wild.example A': '127.0.0.2',
    'known.wild.example TXT': 'here',
    'a.b.c.example TXT': 'deep',
  });
  const cases: [name: string, type: DnsType, answer: unknown][] = [
    ['mail.EXAMPLE.org', 'A', { kind: 'found', records: ['192.0.2.1'] }],
    [
      'example.org',
      'MX',
      {
        kind: 'found',
        records: [
          { priority: 10, exchange: 'mail.example.org' },
          { priority: 0, exchange: '' },
        ],
      },
    ],
    ['www.example.org', 'A', { kind: 'found', records: ['192.0.2.1'], cname: 'mail.example.org' }],
    ['www.example.org', 'CNAME', { kind: 'found', records: ['mail.example.org'] }],
    ['gone.example.org', 'A', { kind: 'nxdomain' }],
    ['loop.example.org', 'A', { kind: 'no-data' }],
    ['x.wild.example', 'A', { kind: 'found', records: ['127.0.0.2'] }],
    ['x.y.wild.example', 'A', { kind: 'found', records: ['127.0.0.2'] }],
    ['known.wild.example', 'A', { kind: 'no-data' }],
    ['x.known.wild.example', 'A', { kind: 'nxdomain' }],
    ['b.c.example', 'A', { kind: 'no-data' }],
    ['example', 'A', { kind: 'no-data' }],
    ['c.c.example', 'A', { kind: 'nxdomain' }],
    ['test', 'A', { kind: 'nxdomain' }],
  ];
  for (const [name, type, answer] of cases) {
    it(`${name} ${type}`, () => assert.deepEqual(zone.lookUp(name, type), answer));
  }

  for (const [key, value] of [
    ['example.org', '192.0.2.1'],
    ['example.org SRV', 'x'],
    ['example.org MX', 'mail.example.org'],
  ] as const) {
    it(`throws on "${key}": "${value}"`, () =>
      assert.throws(() => readZone({ [key]: value }), /^Error: zone: /));
  }
});
