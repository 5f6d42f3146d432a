// Charts over time, drawn as SVG: bars for counts, lines for latencies. Each has
// a summary in words and its figures as a table for readers who do not see it.

import { useEffect, useRef, useState } from "preact/hooks";
import { axisTime, shortCount } from "../core/format.ts";
import { texts } from "../texts.ts";

export interface Series {
  name: string;
  /** A tone of the palette: `good`, `bad`, `wait`, `calm`, `accent`, `none`. */
  tone: string;
  values: (number | null)[];
}

export interface ChartProps {
  label: string;
  times: Date[];
  series: Series[];
  kind: "bars" | "lines";
  format?: (value: number) => string;
  height?: number;
}

/** Room for the axis' labels: at least, and for each character. */
const LEFT_MIN = 44;
const LABEL_CHARACTER = 7;
const BOTTOM = 22;
const TOP = 8;

export function Chart({ label, times, series, kind, format = shortCount, height = 180 }: ChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  const [at, setAt] = useState<number | null>(null);
  useEffect(() => {
    const watcher = new ResizeObserver(([entry]) => entry && setWidth(Math.max(160, entry.contentRect.width)));
    watcher.observe(frame.current!);
    return () => watcher.disconnect();
  }, []);
  const sums = times.map((_, index) =>
    kind === "bars" ? series.reduce((sum, one) => sum + (one.values[index] ?? 0), 0) : Math.max(...series.map((one) => one.values[index] ?? 0)),
  );
  const top = niceTop(Math.max(...sums, 0));
  const left = Math.max(LEFT_MIN, 10 + LABEL_CHARACTER * Math.max(...[0, 0.5, 1].map((share) => format(top * share).length)));
  const [plotWidth, plotHeight] = [width - left, height - TOP - BOTTOM];
  const step = plotWidth / Math.max(times.length, 1);
  const x = (index: number) => left + index * step;
  const y = (value: number) => TOP + plotHeight * (1 - value / top);
  const span = times.length > 1 ? times.at(-1)!.getTime() - times[0]!.getTime() : 0;
  const ticks = tickIndexes(times.length, Math.max(2, Math.floor(plotWidth / 90)));
  const point = (clientX: number) => {
    const frameLeft = frame.current!.getBoundingClientRect().left;
    const index = Math.floor((clientX - frameLeft - left) / step);
    setAt(index >= 0 && index < times.length ? index : null);
  };
  const moveBy = (by: number) => setAt((old) => Math.min(times.length - 1, Math.max(0, (old ?? times.length) + by)));
  return (
    <figure class="chart" ref={frame}>
      <figcaption>
        {series.map((one) => (
          <span class={`legend ${one.tone}`} key={one.name}>
            {one.name}
          </span>
        ))}
      </figcaption>
      <svg
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={label}
        tabIndex={0}
        onPointerMove={(event) => point(event.clientX)}
        onPointerLeave={() => setAt(null)}
        onBlur={() => setAt(null)}
        onKeyDown={(event) => {
          if (event.key === "ArrowLeft") moveBy(-1);
          else if (event.key === "ArrowRight") moveBy(1);
          else return;
          event.preventDefault();
        }}
      >
        {[0, 0.5, 1].map((share) => (
          <g key={share}>
            <line class="grid" x1={left} x2={width} y1={y(top * share)} y2={y(top * share)} />
            <text class="axis" x={left - 8} y={y(top * share) + 4} text-anchor="end">
              {format(top * share)}
            </text>
          </g>
        ))}
        {ticks.filter((index) => x(index) + step / 2 < width - 24).map((index) => (
          <text class="axis" key={index} x={x(index) + step / 2} y={height - 4} text-anchor="middle">
            {axisTime(times[index]!, span)}
          </text>
        ))}
        {at !== null && <rect class="cursor" x={x(at)} y={TOP} width={step} height={plotHeight} />}
        {kind === "bars" ? <Bars {...{ series, times, x, y, step }} /> : <Lines {...{ series, x: (index) => x(index) + step / 2, y }} />}
      </svg>
      {at !== null && (
        <div class={`tip ${at > times.length / 2 ? "left" : "right"}`} style={at > times.length / 2 ? { right: `${width - x(at) + 8}px` } : { left: `${x(at) + step + 8}px` }}>
          <strong>{times[at]!.toLocaleString()}</strong>
          {series.map((one) => (
            <span class={`legend ${one.tone}`} key={one.name}>
              {one.name} <b>{one.values[at] == null ? "–" : format(one.values[at]!)}</b>
            </span>
          ))}
        </div>
      )}
      <span class="offscreen" aria-live="polite">
        {at !== null && texts.chart.point(times[at]!.toLocaleString(), series.map((one) => `${one.name} ${one.values[at] == null ? "–" : format(one.values[at]!)}`))}
      </span>
    </figure>
  );
}

function Bars({ series, times, x, y, step }: { series: Series[]; times: Date[]; x: (i: number) => number; y: (v: number) => number; step: number }) {
  const gap = step > 6 ? 2 : step > 3 ? 1 : 0;
  return (
    <>
      {times.map((_, index) => {
        let below = 0;
        return series.map((one) => {
          const value = one.values[index] ?? 0;
          if (value <= 0) return null;
          const from = below;
          below += value;
          return <rect key={`${one.name}${index}`} class={`bar ${one.tone}`} x={x(index) + gap / 2} width={Math.max(step - gap, 0.5)} y={y(below)} height={Math.max(y(from) - y(below), 0.5)} />;
        });
      })}
    </>
  );
}

function Lines({ series, x, y }: { series: Series[]; x: (i: number) => number; y: (v: number) => number }) {
  return (
    <>
      {series.map((one) => {
        let path = "";
        let pen = false;
        one.values.forEach((value, index) => {
          if (value === null) {
            pen = false;
            return;
          }
          path += `${pen ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
          pen = true;
        });
        const points = one.values.filter((value) => value !== null).length;
        return (
          <g key={one.name}>
            <path class={`line ${one.tone}`} d={path} />
            {points < 40 && one.values.map((value, index) => value !== null && <circle key={index} class={`dot ${one.tone}`} cx={x(index)} cy={y(value)} r="2.5" />)}
          </g>
        );
      })}
    </>
  );
}

/** A round number that is at least `value`. */
export function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const lead = value / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 4 ? 4 : lead <= 6 ? 6 : lead <= 8 ? 8 : 10) * power;
}

function tickIndexes(length: number, most: number): number[] {
  const every = Math.max(1, Math.ceil(length / most));
  const indexes: number[] = [];
  for (let index = Math.floor(every / 2); index < length; index += every) indexes.push(index);
  return indexes;
}

/** Names with a share each, the largest first. */
export function ShareList({ rows, format = shortCount, empty }: { rows: { name: string; value: number; href?: string; note?: string }[]; format?: (value: number) => string; empty: string }) {
  if (rows.length === 0) return <p class="muted">{empty}</p>;
  const most = Math.max(...rows.map((row) => row.value), 1);
  return (
    <ul class="shares">
      {rows.map((row) => (
        <li key={row.name}>
          <span class="share-name">{row.href ? <a href={row.href}>{row.name}</a> : row.name}</span>
          <span class="share-value">
            {format(row.value)}
            {row.note && <span class="muted"> {row.note}</span>}
          </span>
          <span class="share-bar" aria-hidden="true">
            <span style={{ width: `${(row.value / most) * 100}%` }} />
          </span>
        </li>
      ))}
    </ul>
  );
}
