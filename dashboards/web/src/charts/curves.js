// Curves of several welds over one another, and the reference band behind them.

import uPlot from 'uplot';

import { palette } from '../theme.js';
import { axis, chart, colour } from './base.js';

/** uPlot.join: a null is a gap in the line; a sample absent because another curve has one there is not. */
const EXPAND_NULLS = 2;

/** Width of the shaded reference, in sigmas on each side. */
export const BAND_SIGMAS = 3;

/** Time of each sample, ms from the first with current (where R is defined); before it, negative. */
function timesOf({ dt_us: dt, resistance_uohm: resistance }) {
  const first = Math.max(0, resistance.findIndex((value) => value !== null));
  return resistance.map((_, k) => ((k - first) * dt) / 1000);
}

/**
 * Columns for uPlot: time, then high, low and centre of `band` (or none), then `channel` of each of `curves`.
 * Samples of different curves need not fall together.
 */
function join(curves, channel, band) {
  const tables = [];
  if (band) {
    const reach = (side) => band.centre_uohm.map((centre, k) => (centre === null ? null : centre + side * BAND_SIGMAS * band.sigma_uohm[k]));
    tables.push([band.time_ms, reach(1), reach(-1), band.centre_uohm]);
  }
  for (const { curve } of curves) tables.push([timesOf(curve), curve[channel]]);
  const kept = tables.map((table) => table.map(() => EXPAND_NULLS));
  return tables.length ? uPlot.join(tables, kept) : [[]];
}

/** Line of a curve: the newest or chosen strong, a defect in vermillion and dashed, the rest quiet. */
function stroke({ weld, strong }) {
  const bad = weld.verdict === 'defect';
  const name = bad ? 'defect-mark' : strong ? 'ok' : 'older';
  return { stroke: colour(name), width: strong ? 2.5 : 1, dash: bad && !strong ? [6, 3] : undefined, points: { show: false }, spanGaps: false };
}

/** Make a chart of `channel`; `set(curves, band)` takes {weld, curve, strong} items, the strong one last. */
export function curveChart(element, channel, { label = null, compact = false } = {}) {
  let shown = [];
  let banded = false;
  const rem = () => palette().rem;
  const view = chart(element, () => ({
    padding: [8, 12, 0, 0],
    cursor: { show: !compact, y: false, points: { size: 6 }, drag: { x: true, y: false } },
    scales: { x: { time: false } },
    axes: [
      axis({ size: (label ? 1.5 : 1.4) * rem(), label, labelSize: 1.3 * rem(), space: compact ? 50 : 70 }),
      axis({ size: 3.4 * rem(), space: compact ? 26 : 40 }),
    ],
    series: [
      {},
      ...(banded ? [{ stroke: null, points: { show: false } }, { stroke: null, points: { show: false } }, { stroke: colour('muted'), width: 1, dash: [2, 3], points: { show: false } }] : []),
      ...shown.map(stroke),
    ],
    bands: banded ? [{ series: [1, 2], fill: colour('band') }] : [],
  }));
  return {
    set(curves, band = null) {
      shown = curves;
      banded = band !== null;
      view.rebuild(join(curves, channel, band));
    },
    close: view.close,
  };
}
