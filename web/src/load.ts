import { textOf } from './api.ts';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

export interface Loaded<T> {
  /** The last that came: it stays while the next is asked for. */
  readonly data: T | undefined;
  readonly error: string | undefined;
  readonly isLoading: boolean;
  readonly again: () => void;
}

/** Asks when the key changes, and every `everyMs` where that is given; an answer that is no longer wanted is dropped. */
export function useLoad<T>(
  key: string,
  ask: (signal: AbortSignal) => Promise<T>,
  everyMs?: number,
): Loaded<T> {
  const [state, set] = useState<{
    readonly key: string;
    readonly data?: T;
    readonly error?: string;
    readonly isLoading: boolean;
  }>({ key, isLoading: true });
  const asking = useRef<AbortController | undefined>(undefined);
  const last = useRef(ask);
  last.current = ask;
  const again = useCallback(() => {
    asking.current?.abort();
    const controller = (asking.current = new AbortController());
    set((before) => ({ ...(before.key === key ? before : {}), key, isLoading: true }));
    last.current(controller.signal).then(
      (data) => {
        if (!controller.signal.aborted) set({ key, data, isLoading: false });
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        set((before) => ({ ...before, error: textOf(error), isLoading: false }));
      },
    );
  }, [key]);
  useEffect(() => {
    again();
    const timer = everyMs === undefined ? undefined : setInterval(again, everyMs);
    return () => {
      clearInterval(timer);
      asking.current?.abort();
    };
  }, [again, everyMs]);
  return { data: state.data, error: state.error, isLoading: state.isLoading, again };
}
