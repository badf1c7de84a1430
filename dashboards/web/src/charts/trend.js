// The qualification rate over the shift, with its 95 % interval as a band.

import { h } from '../dom.js';
import { interval, minute, number, percent } from '../format.js';
import { t } from '../i18n.js';
import { palette } from '../theme.js';
import { axis, chart, colour, timeAxis } from './base.js';

/** A bucket with less than this share of the largest n is not drawn: its interval would dwarf all others. */
const DRAWN_SHARE = 0.1;

const drawn = (points) => {
  const most = Math.max(...points.map(({ n }) => n));
  return points.map((point) => (point.n > 0 && point.n >= most * DRAWN_SHARE ? point : null));
};

/** The ends of the scale: all intervals drawn, and a little more. */
function rangeOf(points) {
  const shown = drawn(points).filter(Boolean);
  const low = Math.min(...shown.map((point) => point.low));
  const high = Math.max(...shown.map((point) => point.high));
  const margin = (high - low) * 0.1;
  return [Math.max(0, low - margin), Math.min(1, high + margin)];
}

/** Make the trend; `set(points)` takes TrendPoint items in order of time. */
export function trendChart() {
  const note = h('p', { class: 'notice', text: t('trend.none') });
  const plot = h('div', { class: 'plot', role: 'img' }, note);
  const caption = h('span', { class: 'muted small' });
  let points = [];
  const view = chart(plot, () => ({
    padding: [8, 8, 0, 0],
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    hooks: { setCursor: [({ cursor }) => describe(points[cursor.idx ?? points.length - 1])] },
    scales: { x: { time: true }, y: { range: () => rangeOf(points) } },
    axes: [
      timeAxis(),
      axis({ size: 4 * palette().rem, space: 22, values: (_, shares) => shares.map((share) => (share > 1 ? '' : `${percent(share, 1)} %`)) }),
    ],
    series: [
      {},
      { stroke: null, points: { show: false } },
      { stroke: null, points: { show: false } },
      { stroke: colour('ok'), width: 2, points: { show: false }, spanGaps: false },
    ],
    bands: [{ series: [1, 2], fill: colour('band') }],
  }));

  function describe(point) {
    if (!point || point.rate === null) return;
    caption.textContent = t('trend.at', { time: minute(point.start), rate: percent(point.rate), interval: interval(point), n: number(point.n) });
  }

  return {
    plot,
    caption,
    set(next) {
      points = next;
      const last = next.findLast(({ n }) => n > 0);
      note.hidden = Boolean(last);
      if (!last) return;
      const middle = next.map(({ start, end }) => (Date.parse(start) + Date.parse(end)) / 2000);
      const column = (name) => drawn(next).map((point) => point?.[name] ?? null);
      view.set([middle, column('high'), column('low'), column('rate')]);
      describe(last);
      plot.setAttribute('aria-label', t('trend.label', { rate: percent(last.rate) }));
    },
    close: view.close,
  };
}
