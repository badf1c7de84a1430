// One indicator of a gun's wear since the last dress: as measured, its trend, and the limit it moves to.

import { number } from '../format.js';
import { drawShape } from '../shapes.js';
import { palette } from '../theme.js';
import { axis, chart, colour } from './base.js';

const MARK_PX = 9;
const HEADROOM = 0.15;

/** Make a chart; `set({points, trend, now, ahead})`: welds since the dress, a WearTrendOut, the gun's wear now, welds to look ahead. */
export function wearChart(element) {
  let shown = { points: [], trend: null, now: 0, ahead: 0 };
  const percentOf = (share) => (share === null ? null : 100 * share);

  function drawMeasured(plot) {
    const ratio = devicePixelRatio;
    for (const [k, wear] of shown.points.entries()) {
      const change = shown.trend.change[k];
      if (change === null || change === undefined) continue;
      plot.ctx.save();
      plot.ctx.translate(plot.valToPos(wear, 'x', true), plot.valToPos(100 * change, 'y', true));
      drawShape(plot.ctx, 'ok', MARK_PX * ratio, palette()['ok-mark']);
      plot.ctx.restore();
    }
  }

  const plain = { points: { show: false } };
  const view = chart(element, () => ({
    padding: [8, 10, 0, 0],
    cursor: { show: false },
    hooks: { draw: [drawMeasured] },
    scales: {
      x: { time: false },
      y: {
        range: (_, low, high) => {
          const values = [...shown.trend.change.filter((change) => change !== null).map(percentOf), low, high, 0].filter((value) => value !== null && value !== undefined);
          const [least, most] = [Math.min(...values), Math.max(...values)];
          const margin = (most - least || 1) * HEADROOM;
          return [least - margin, most + margin];
        },
      },
    },
    axes: [axis({ size: 1.4 * palette().rem, space: 60 }), axis({ size: 3.4 * palette().rem, space: 26, values: (_, shares) => shares.map((share) => `${number(share, Math.abs(share) < 1 && share ? 1 : 0)} %`) })],
    series: [{}, { ...plain, stroke: colour('ok'), width: 2 }, { ...plain, stroke: colour('ok'), width: 2, dash: [4, 4] }, { ...plain, stroke: colour('defect-mark'), width: 1.5, dash: [6, 4] }],
  }));

  return {
    set(next) {
      shown = next;
      const { trend, now, ahead } = next;
      const end = now + ahead;
      const line = (wear) => (trend.now === null || trend.per_100 === null ? null : percentOf(trend.now + (trend.per_100 / 100) * (wear - now)));
      view.set([
        [0, now, end],
        [line(0), line(now), null],
        [null, line(now), line(end)],
        [percentOf(trend.limit), percentOf(trend.limit), percentOf(trend.limit)],
      ]);
    },
    close: view.close,
  };
}
