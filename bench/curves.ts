/** Curves of what a bench has measured, as SVG. */
import fs from 'node:fs';
import path from 'node:path';
import * as echarts from 'echarts';

export interface Curve {
  readonly name: string;
  /** What was measured at which x. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Axes are logarithmic; a name says its unit. */
export interface Figure {
  readonly file: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly curves: readonly Curve[];
}

/** Draw a figure into a directory. */
export function draw(dir: string, { file, title, x, y, curves }: Figure): void {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 720, height: 400 });
  const axis = { type: 'log' as const, nameLocation: 'middle' as const, axisLabel: { formatter: short } };
  const values = curves.flatMap(({ points }) => points.map(([, value]) => value));
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: { text: title, left: 'center', textStyle: { fontSize: 15 } },
    legend: { top: 28, data: curves.map(({ name }) => name) },
    grid: { left: 70, right: 30, top: 64, bottom: 52 },
    xAxis: { ...axis, name: x, nameGap: 30, min: 'dataMin', max: 'dataMax' },
    yAxis: { ...axis, name: y, nameGap: 48, min: 10 ** Math.floor(Math.log10(Math.min(...values))) },
    series: curves.map(({ name, points }) => ({ type: 'line', name, data: points.map((point) => [...point]) })),
  });
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, file), chart.renderToSVGString());
  chart.dispose();
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`;
  return value >= 1e3 ? `${value / 1e3} K` : String(value);
}
