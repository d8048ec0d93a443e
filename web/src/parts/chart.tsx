import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { tick, time } from '../format.ts';
import 'uplot/dist/uPlot.min.css';

export interface Series {
  readonly name: string;
  /** A custom property of the style sheet: `--refused`. */
  readonly colour: string;
  readonly values: readonly (number | null)[];
}

/** Lines over time. What is drawn stands in words beside it: `summary` is for those who do not see it. */
export function Chart({
  times,
  series,
  summary,
  height = 220,
}: {
  /** Milliseconds. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly summary: string;
  readonly height?: number;
}) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const names = series.map(({ name }) => name).join();
  const data = (): uPlot.AlignedData => [
    times.map((ms) => ms / 1000),
    ...series.map(({ values }) => [...values]),
  ];

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const draw = () => {
      const style = getComputedStyle(element);
      const colour = (name: string) => style.getPropertyValue(name).trim();
      plot.current?.destroy();
      const axis = { stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 } };
      plot.current = new uPlot(
        {
          width: Math.max(240, element.clientWidth),
          height,
          series: [
            {
              value: (_: uPlot, s: number | null) => (s === null ? '' : time(s * 1000)),
            },
            ...series.map(({ name, colour: property }) => ({
              label: name,
              stroke: colour(property),
              fill: `color-mix(in srgb, ${colour(property)} 12%, transparent)`,
              width: 1.5,
              points: { show: false },
            })),
          ],
          axes: [
            {
              ...axis,
              values: (_: uPlot, seconds: number[], __: number, ___: number, step: number) =>
                seconds.map((s) => tick(s * 1000, step * 1000)),
            },
            { ...axis, size: 56 },
          ],
          scales: {
            y: {
              range: (_: uPlot, __: number, max: number): [number, number] => [0, Math.max(1, max * 1.05)],
            },
          },
          cursor: { y: false },
        },
        data(),
        element,
      );
    };
    draw();
    const observer = new ResizeObserver(() =>
      plot.current?.setSize({ width: Math.max(240, element.clientWidth), height }),
    );
    observer.observe(element);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      observer.disconnect();
      dark.removeEventListener('change', draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [names, height]);

  useEffect(() => plot.current?.setData(data()), [times, series]);

  return <div class="chart" ref={place} role="img" aria-label={summary} />;
}
