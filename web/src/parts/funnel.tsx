import type { Rung } from '../../../src/admin/api.ts';
import { formatOctets } from '../../../src/core/octets.ts';
import { count, share, took } from '../format.ts';

const NAMES: Readonly<Record<string, string>> = {
  memory: 'what the client says',
  store: 'what is remembered',
  dns: 'one question to DNS',
  'dns-chain': 'questions that lead to others',
  doubt: 'the doubtful ones',
  network: "strangers' servers",
  backend: 'the mailbox behind',
  parse: 'the message itself',
  scanner: 'scanners',
};

/** The ladder as a funnel: how many came to each rung, how many were stopped there, what it cost, and what stopping early saved. */
export function Funnel({ rungs }: { readonly rungs: readonly Rung[] }) {
  const most = Math.max(1, ...rungs.map(({ came }) => came));
  return (
    <ol class="funnel">
      {rungs.map((rung) => {
        const stopped = (100 * rung.stopped) / most;
        const passed = (100 * (rung.came - rung.stopped)) / most;
        return (
          <li>
            <div class="rung-name">
              <strong>{rung.cost}</strong>
              <small title={rung.checks.join(', ')}>{NAMES[rung.cost] ?? rung.checks.join(', ')}</small>
            </div>
            <svg
              class="bar"
              viewBox="0 0 100 10"
              preserveAspectRatio="none"
              role="img"
              aria-label={`${count(rung.came)} came, ${count(rung.stopped)} were stopped`}
            >
              <rect class="track" x="0" y="0" width="100" height="10" />
              <rect class="went-on" x="0" y="0" width={passed} height="10" />
              <rect class="stopped" x={passed} y="0" width={stopped} height="10" />
            </svg>
            <div class="rung-numbers">
              <span>
                <b>{count(rung.came)}</b> came
              </span>
              <span>
                <b>{count(rung.stopped)}</b> stopped ({share(rung.stopped, rung.came)})
              </span>
              <span>
                {took(rung.tookMs)}
                {rung.lookups === 0 ? '' : `, ${count(rung.lookups, 'look-up')}`}
                {rung.octets === 0 ? '' : `, ${formatOctets(rung.octets)}`}
              </span>
              <span class="saved">
                {rung.stopped === 0
                  ? ''
                  : `saved ${took(rung.savedMs)}, ${count(rung.savedLookups, 'look-up')}, ${formatOctets(rung.savedOctets)}`}
              </span>
            </div>
          </li>
        );
      })}
    </ol>
  );
}
