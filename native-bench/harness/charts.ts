/**
 * Charts as inline SVG, drawn by ECharts without a browser. Texts and axes have the colour of the text around them, and the
 * palette stands out on white and on black, so one drawing serves light and dark. Drawn for the width of a phone.
 */
import { BarChart, CustomChart, LineChart } from 'echarts/charts';
import { GridComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { Markup } from './markup.js';
import type { ContestResult, Curves, Figure } from './report.js';
import { summaryText } from './statistics.js';

use([BarChart, CustomChart, LineChart, GridComponent, SVGRenderer]);

const palette = [
  ...['#4c7dd9', '#d9822b', '#3a9d5d', '#cc5554', '#8f6ad0'],
  ...['#1a98a6', '#b0851c', '#c2559d', '#7a8a2a', '#7d7f86'],
];
const text = { color: 'currentColor', fontFamily: 'system-ui, sans-serif' };
const faint = { lineStyle: { color: 'currentColor', opacity: 0.15 } };
const line = { lineStyle: { color: 'currentColor', opacity: 0.5 } };
const chartWidth = 400;
const linesHeight = 260;
const barHeight = 14;
/** Of 13 px, in the widest of the usual fonts. */
const oneLineCharactersMax = 42;

/** The colour of a curve. */
export function colorOf(index: number): string {
  return palette[index % palette.length]!;
}

function draw(height: number, option: EChartsCoreOption): Markup {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: chartWidth, height });
  try {
    chart.setOption({ animation: false, textStyle: text, color: palette, ...option });
    return new Markup(chart.renderToSVGString());
  } finally {
    chart.dispose();
  }
}

/** Such as `73K`: what stands at an axis. */
function tick(value: number): string {
  return value.toLocaleString('en', { notation: 'compact', maximumSignificantDigits: 3 });
}

const axisLabel = { color: 'currentColor', fontSize: 12, formatter: tick, hideOverlap: true };

/** A bar a contender: how long it is is the median; the whisker goes from the least to the most of all rounds. */
export function bars({ figures }: ContestResult): Markup {
  // Beside each other above the bar where there is room, else one above the other.
  const oneLine = figures.every(
    (figure) => figure.name.length + summaryText(figure).length <= oneLineCharactersMax,
  );
  const rowHeight = oneLine ? 44 : 60;
  return draw(rowHeight * figures.length + 34, {
    grid: { left: 8, right: 24, top: oneLine ? 6 : 14, bottom: 28, outerBoundsMode: 'none' },
    xAxis: { type: 'value', min: 0, splitNumber: 4, axisLabel, splitLine: faint },
    yAxis: {
      ...{ type: 'category', inverse: true, data: figures.map((_, i) => i) },
      ...{ axisLabel: { show: false }, axisTick: { show: false }, axisLine: line },
    },
    series: [
      {
        ...{ type: 'bar', silent: true, barWidth: barHeight },
        data: figures.map(({ median }, i) => ({ value: median, itemStyle: { color: colorOf(i) } })),
      },
      {
        ...{ type: 'custom', silent: true, clip: false, encode: { x: [1, 2], y: 0 } },
        data: figures.map(({ min, max }, i) => [i, min, max]),
        renderItem: (_: unknown, { value, coord }: RowApi) => {
          const row = value(0);
          const [from, y] = coord([value(1), row]);
          const [to] = coord([value(2), row]);
          const texts = rowTexts(figures[row]!, y - barHeight / 2, oneLine);
          return { type: 'group', children: [...whisker(from, to, y), ...texts] };
        },
      },
    ],
  });
}

interface RowApi {
  readonly value: (dimension: number) => number;
  readonly coord: (point: readonly [number, number]) => [number, number];
}

function whisker(from: number, to: number, y: number): object[] {
  const half = barHeight / 2 - 3;
  return [
    [from, y, to, y],
    [from, y - half, from, y + half],
    [to, y - half, to, y + half],
  ].map(([x1, y1, x2, y2]) => ({
    type: 'line',
    shape: { x1, y1, x2, y2 },
    style: { stroke: 'currentColor', lineWidth: 1.5 },
  }));
}

/** The name and the figures of a bar, above it. */
function rowTexts(figure: Figure, above: number, oneLine: boolean): object[] {
  const style = { ...text, fill: 'currentColor', fontSize: 13, verticalAlign: 'middle' };
  const name = { text: figure.name, x: 12, y: above - (oneLine ? 9 : 25) };
  const figures = oneLine ? { x: chartWidth - 24, align: 'right' } : { x: 12, align: 'left' };
  return [
    { type: 'text', style: { ...style, ...name, width: chartWidth - 60, overflow: 'truncate' } },
    { type: 'text', style: { ...style, ...figures, text: summaryText(figure), y: above - 9 } },
  ];
}

/** Whether an axis can show a value. */
export function canShow(scale: 'linear' | 'log', value: number): boolean {
  return Number.isFinite(value) && (scale === 'linear' || value > 0);
}

/** A line a curve; what was computed and not measured is dashed. */
export function lines({ x, y, lines }: Curves): Markup {
  const shown = lines.map(({ points }) =>
    points.filter(([at, value]) => canShow(x.scale, at) && canShow(y.scale, value)),
  );
  const all = shown.flat();
  const axis = { nameTextStyle: { ...text, fontSize: 12 }, axisLabel, axisLine: line, splitLine: faint };
  return draw(linesHeight, {
    grid: { left: 52, right: 20, top: 28, bottom: 44, outerBoundsMode: 'none' },
    xAxis: {
      ...scaleOf(
        x.scale,
        all.map(([at]) => at),
      ),
      ...axis,
      ...{ name: x.label, nameLocation: 'middle', nameGap: 26 },
    },
    yAxis: {
      ...scaleOf(
        y.scale,
        all.map(([, value]) => value),
      ),
      ...axis,
      ...{ name: y.label, nameTextStyle: { ...text, fontSize: 12, align: 'left' } },
    },
    series: lines.map(({ projection = false }, i) => ({
      ...{ type: 'line', silent: true, data: shown[i], symbol: 'circle', symbolSize: projection ? 0 : 6 },
      lineStyle: { width: 2, type: projection ? 'dashed' : 'solid' },
      itemStyle: { color: colorOf(i) },
    })),
  });
}

/** Cores and other powers of two stand at ticks of their own. */
function scaleOf(scale: 'linear' | 'log', values: readonly number[]): object {
  if (scale === 'linear') return { type: 'value' };
  const binary = values.every((value) => Number.isInteger(Math.log2(value)));
  return { type: 'log', logBase: binary ? 2 : 10 };
}
