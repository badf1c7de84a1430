// A control chart of one feature of one spot: EWMA or CUSUM of its distance from the reference, and its limits.

import { drawShape } from '../shapes.js';
import { palette } from '../theme.js';
import { axis, chart, colour, timeAxis } from './base.js';
import { drawEvents } from './events.js';

const SIGNAL_PX = 10;
const HEADROOM = 1.15;

/** Make a chart; `set(points, limits, view, events)` takes SpcPoint items with `at` in s, and 'ewma' or 'cusum'. */
export function controlChart(element) {
  let points = [];
  let limit = 1;
  let view = 'ewma';
  let events = [];
  const heights = (point) => (view === 'ewma' ? [point.ewma] : [point.cusum_high, point.cusum_low]);

  function drawSignals(plot) {
    for (const point of points.filter(({ signal }) => signal)) {
      for (const height of heights(point).filter((value) => Math.abs(value) > limit)) {
        plot.ctx.save();
        plot.ctx.translate(plot.valToPos(point.at, 'x', true), plot.valToPos(height, 'y', true));
        drawShape(plot.ctx, 'defect', SIGNAL_PX * devicePixelRatio, palette()['defect-mark']);
        plot.ctx.restore();
      }
    }
  }

  const plain = { points: { show: false } };
  const bound = { ...plain, stroke: colour('defect-mark'), width: 1.5, dash: [6, 4] };
  const frame = chart(element, () => ({
    padding: [8, 10, 0, 0],
    cursor: { show: false },
    hooks: { draw: [(plot) => drawEvents(plot, events, { named: true }), drawSignals] },
    scales: {
      x: { time: true },
      y: {
        range: () => {
          const reach = HEADROOM * Math.max(limit, ...points.flatMap(heights).map(Math.abs));
          return [-reach, reach];
        },
      },
    },
    axes: [
      timeAxis(),
      axis({ size: 3.4 * palette().rem, space: 30, values: (_, sigmas) => sigmas.map((sigma) => `${sigma} σ`) }),
    ],
    series: [{}, bound, bound, { ...plain, stroke: colour('ok'), width: 2 }, ...(view === 'cusum' ? [{ ...plain, stroke: colour('ok-mark'), width: 2 }] : [])],
  }));

  return {
    set(next, limits, name, happened) {
      [points, limit, view, events] = [next, limits[name], name, happened];
      const column = (value) => points.map(value);
      const series = view === 'ewma' ? [column(({ ewma }) => ewma)] : [column(({ cusum_high: high }) => high), column(({ cusum_low: low }) => low)];
      frame.rebuild([column(({ at }) => at), column(() => limit), column(() => -limit), ...series]);
    },
    close: frame.close,
  };
}
