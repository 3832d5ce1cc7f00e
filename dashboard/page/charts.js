/**
 * Lines over time, drawn by uPlot.
 *
 * @module
 */

import { html, useEffect, useRef, useState } from "./preact.js";
import { clock } from "./format.js";
import { inkOf } from "./parts.js";

/**
 * A chart. `series` are `{ name, color, fill }`, `data` one array of x (seconds) and one for each series.
 */
export function Chart({ label, series, data, format, log }) {
  const box = useRef();
  const chart = useRef();
  const theme = useTheme();
  useEffect(() => {
    const { ink, done } = inkOf(box.current);
    const font = `11px ${getComputedStyle(box.current).fontFamily}`;
    const axis = { stroke: ink("--muted"), grid: { stroke: ink("--line"), width: 1 }, ticks: { show: false }, font };
    const options = {
      width: Math.max(200, box.current.clientWidth),
      height: 150,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 6 } },
      scales: {
        x: { time: true },
        y: log
          ? {
            distr: 3,
            range: (
              _,
              low,
              high,
            ) => [roundDown(low ?? 0.01), Math.max(roundDown(low ?? 0.01) * 100, roundUp(high ?? 1))],
          }
          : { range: (_, __, high) => [0, Math.max(1, (high ?? 0) * 1.1)] },
      },
      axes: [
        {
          ...axis,
          space: 80,
          grid: { show: false },
          size: 24,
          values: (_, splits) => splits.map((seconds) => clock(seconds * 1000)),
        },
        {
          ...axis,
          size: 58,
          values: (_, splits) => splits.map((value) => value === null ? "" : format(value)),
          ...(log ? { splits: (_, __, low, high) => powersBetween(low, high) } : {}),
        },
      ],
      series: [
        {},
        ...series.map(({ name, color, fill }) => ({
          label: name,
          stroke: ink(color),
          width: 1.5,
          points: { show: false },
          spanGaps: false,
          ...(fill ? { fill: ink(color).replace("rgb(", "rgba(").replace(")", ", 0.13)") } : {}),
        })),
      ],
    };
    done();
    chart.current = new globalThis.uPlot(options, data, box.current);
    const observer = new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width > 0) chart.current.setSize({ width: contentRect.width, height: 150 });
    });
    observer.observe(box.current);
    return () => {
      observer.disconnect();
      chart.current.destroy();
    };
  }, [theme]);
  useEffect(() => chart.current?.setData(data), [data]);
  return html`<div class="chart" ref=${box} role="img" aria-label=${label}></div>`;
}

function powersBetween(low, high) {
  const powers = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    if (10 ** power >= low * 0.999 && 10 ** power <= high * 1.001) powers.push(10 ** power);
  }
  return powers;
}

function roundDown(value) {
  return 10 ** Math.floor(Math.log10(Math.max(0.001, value)));
}

function roundUp(value) {
  return 10 ** Math.ceil(Math.log10(Math.max(0.001, value)));
}

/** Changes with the colours of the page. */
export function useTheme() {
  const [theme, setTheme] = useState(themeName);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const update = () => setTheme(themeName());
    media.addEventListener("change", update);
    addEventListener("troupe-theme", update);
    return () => {
      media.removeEventListener("change", update);
      removeEventListener("troupe-theme", update);
    };
  }, []);
  return theme;
}

function themeName() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}
