// uPlot in this page's dress: colours from the theme, size from the box.

import uPlot from 'uplot';

import { minute } from '../format.js';
import { Scope } from '../store.js';
import { palette, theme } from '../theme.js';

/** Axes in the theme's colours. */
export function axis(options = {}) {
  return {
    stroke: () => palette().muted,
    font: fontOf(),
    labelFont: fontOf(),
    grid: { stroke: () => palette().grid, width: 1 },
    ticks: { show: false },
    gap: 4,
    ...options,
  };
}

const MINUTE_S = 60;
const STEPS_MIN = [1, 2, 5, 10, 20, 30, 60, 120, 240, 360, 720, 1440, 2880, 10080];

/** The axis of a chart in time: whole minutes, so that no label stands twice. */
export const timeAxis = (options = {}) =>
  axis({ size: 1.5 * palette().rem, space: 70, incrs: STEPS_MIN.map((minutes) => minutes * MINUTE_S), values: (_, times) => times.map((s) => minute(s * 1000)), grid: { show: false }, ...options });

const fontOf = () => `${0.8125 * palette().rem}px ${palette().font}`;

/** A colour token as uPlot takes it: read at each drawing, so that a change of theme shows. */
export const colour = (name) => () => palette()[name];

/**
 * A chart that fills `element`. `make(data)` gives uPlot's options without a size. Returns `set(data)`, which makes the
 * chart anew when the number of series changed, and `close()`.
 */
export function chart(element, make) {
  const scope = new Scope();
  let plot = null;
  let data = null;

  const size = () => ({ width: element.clientWidth, height: element.clientHeight });
  function build() {
    plot?.destroy();
    plot = null;
    const { width, height } = size();
    if (!data || !width || !height) return;
    plot = new uPlot({ ...size(), legend: { show: false }, ...make(data) }, data, element);
  }
  const observer = new ResizeObserver(() => {
    if (plot) plot.setSize(size());
    else build();
  });
  observer.observe(element);
  scope.add(
    () => observer.disconnect(),
    theme.on(build),
    () => plot?.destroy(),
  );
  return {
    set(next) {
      const same = plot && next.length === plot.series.length;
      data = next;
      if (same) plot.setData(next);
      else build();
    },
    rebuild(next) {
      data = next;
      build();
    },
    close: () => scope.close(),
  };
}
