// One feature of a spot over its last welds, each a mark of its verdict, over the reference.

import { palette } from '../theme.js';
import { SHAPES, drawShape } from '../shapes.js';
import { axis, chart, colour, timeAxis } from './base.js';
import { BAND_SIGMAS } from './curves.js';
import { drawEvents } from './events.js';

const MARK_PX = { ok: 6, unjudged: 7, defect: 11 };

/** Make a chart; `set(points, reference, events)` takes {time, value, verdict} items in order of time, and {at, kind}. */
export function featureChart(element, { eventLabels = false } = {}) {
  let points = [];
  let events = [];

  function drawMarks(plot) {
    const { ctx: context } = plot;
    const ratio = devicePixelRatio;
    for (const { time, value, verdict } of points) {
      if (value === null) continue;
      context.save();
      context.translate(plot.valToPos(time, 'x', true), plot.valToPos(value, 'y', true));
      drawShape(context, verdict, MARK_PX[verdict] * ratio, palette()[SHAPES[verdict].colour]);
      context.restore();
    }
  }

  const view = chart(element, () => ({
    padding: [8, 10, 0, 0],
    cursor: { show: false },
    hooks: { draw: [(plot) => drawEvents(plot, events, { named: eventLabels }), drawMarks] },
    scales: { x: { time: true }, y: { range: (_, low, high) => [low - (high - low || 1) * 0.1, high + (high - low || 1) * 0.1] } },
    axes: [
      timeAxis({ size: 1.4 * palette().rem }),
      axis({ size: 3.4 * palette().rem, space: 26 }),
    ],
    series: [
      {},
      { stroke: null, points: { show: false } },
      { stroke: null, points: { show: false } },
      { stroke: colour('muted'), width: 1, dash: [2, 3], points: { show: false } },
      { stroke: colour('older'), width: 1, points: { show: false } },
    ],
    bands: [{ series: [1, 2], fill: colour('band') }],
  }));

  return {
    set(next, { centre, sigma }, happened = []) {
      [points, events] = [next, happened];
      const reference = centre === null || sigma === null ? [null, null, null] : [centre + BAND_SIGMAS * sigma, centre - BAND_SIGMAS * sigma, centre];
      view.set([next.map(({ time }) => time), ...reference.map((value) => next.map(() => value)), next.map(({ value }) => value)]);
    },
    close: view.close,
  };
}
