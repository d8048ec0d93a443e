/** What happens now, as the server tells of it (Server-Sent Events). The browser connects again by itself. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { DecisionLine, LiveGate } from '../../src/admin/api.ts';

const SHOWN = 50;

export interface Live {
  readonly isOpen: boolean;
  readonly gate: LiveGate | undefined;
  /** Newest first. */
  readonly lines: readonly DecisionLine[];
}

export function useLive(isPaused: boolean): Live {
  const [live, set] = useState<Live>({ isOpen: false, gate: undefined, lines: [] });
  const paused = useRef(isPaused);
  paused.current = isPaused;
  useEffect(() => {
    const source = new EventSource('/api/live');
    source.onopen = () => set((before) => ({ ...before, isOpen: true }));
    source.onerror = () => set((before) => ({ ...before, isOpen: false }));
    source.addEventListener('gate', (event: MessageEvent<string>) => {
      const gate = JSON.parse(event.data) as LiveGate;
      set((before) => ({ ...before, gate }));
    });
    source.addEventListener('decisions', (event: MessageEvent<string>) => {
      if (paused.current) return;
      const lines = JSON.parse(event.data) as DecisionLine[];
      set((before) => ({ ...before, lines: [...lines.toReversed(), ...before.lines].slice(0, SHOWN) }));
    });
    return () => source.close();
  }, []);
  return live;
}
