// Curves of several welds over one another, the reference band behind them, and the evidence on the chosen one.

import uPlot from 'uplot';

import { palette } from '../theme.js';
import { axis, chart, colour } from './base.js';
import { drawDepartures, drawMarks, drawPhases, drawStepTime } from './evidence.js';

/** uPlot.join: a null is a gap in the line; a sample absent because another curve has one there is not. */
const EXPAND_NULLS = 2;

/** Width of the shaded reference, in sigmas on each side. */
export const BAND_SIGMAS = 3;

const FIT_SHARE = 0.08;

/** Columns for uPlot: time, then high, low and centre of `band` (or none), then each of `lines`; their times may differ. */
function join(lines, band) {
  const tables = [];
  if (band) {
    const reach = (side) => band.centre.map((centre, k) => (centre === null ? null : centre + side * BAND_SIGMAS * band.sigma[k]));
    tables.push([band.time_ms, reach(1), reach(-1), band.centre]);
  }
  for (const { time_ms: times, value } of lines) tables.push([times, value]);
  const kept = tables.map((table) => table.map(() => EXPAND_NULLS));
  return tables.length ? uPlot.join(tables, kept) : [[]];
}

/** Line of a curve: the chosen one strong, a defect in vermillion and dashed, the rest quiet. */
function stroke({ weld, strong }) {
  const bad = weld.verdict === 'defect';
  const name = strong ? (bad ? 'text' : 'ok') : bad ? 'defect-mark' : 'older';
  return { stroke: colour(name), width: strong ? 2.5 : 1, dash: bad && !strong ? [6, 3] : undefined, points: { show: false }, spanGaps: false };
}

/** The scale: the band and the chosen curve over its main pulse; a first contact many times as high may leave the top. */
function rangeOf(lines, band, evidence) {
  const values = [];
  if (band) for (const [k, centre] of band.centre.entries()) if (centre !== null) values.push(centre - BAND_SIGMAS * band.sigma[k], centre + BAND_SIGMAS * band.sigma[k]);
  const [from, to] = mainPulse(evidence);
  for (const { time_ms: times, value } of lines) for (const [k, each] of value.entries()) if (each !== null && times[k] >= from && times[k] <= to) values.push(each);
  if (!values.length) return [0, 1];
  const low = Math.min(...values);
  const high = Math.max(...values);
  const margin = (high - low || Math.abs(high) || 1) * FIT_SHARE;
  return [low - margin, high + 2.2 * margin]; // room for the names of the phases
}

function mainPulse(evidence) {
  const main = evidence?.phases.filter(({ kind }) => kind === 'main') ?? [];
  return evidence?.origin_ms === null || !main.length ? [-Infinity, Infinity] : [0, main.at(-1).stop_ms];
}

/** Make a chart; `set({lines, band, evidence})`: lines of {weld, strong, time_ms, value}, the strong one last. */
export function curveChart(element, { label = null, compact = false } = {}) {
  let lines = [];
  let band = null;
  let evidence = null;
  const rem = () => palette().rem;
  const view = chart(element, () => ({
    padding: [8, 12, 0, 0],
    cursor: { show: !compact, y: false, points: { size: 6 }, drag: { x: true, y: false } },
    scales: { x: { time: false }, y: compact ? {} : { range: () => rangeOf(lines, band, evidence) } },
    hooks: {
      drawAxes: [(plot) => drawPhases(plot, evidence, { named: !compact })],
      draw: compact ? [(plot) => drawStepTime(plot, evidence)] : [(plot) => drawDepartures(plot, evidence), (plot) => drawMarks(plot, evidence)],
    },
    axes: [
      axis({ size: (label ? 1.5 : 1.4) * rem(), label, labelSize: 1.3 * rem(), space: compact ? 50 : 70 }),
      axis({ size: 3.4 * rem(), space: compact ? 26 : 40 }),
    ],
    series: [
      {},
      ...(band ? [{ stroke: null, points: { show: false } }, { stroke: null, points: { show: false } }, { stroke: colour('muted'), width: 1, dash: [2, 3], points: { show: false } }] : []),
      ...lines.map(stroke),
    ],
    bands: band ? [{ series: [1, 2], fill: colour('band') }] : [],
  }));
  return {
    set(next) {
      ({ lines, band = null, evidence = null } = next);
      view.rebuild(join(lines, band));
    },
    close: view.close,
  };
}
