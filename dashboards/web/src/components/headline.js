// The figures that are read from five metres: rates with their doubt, defects, welds not judged, the trend.

import { get } from '../api.js';
import { trendChart } from '../charts/trend.js';
import { h, keyed, setText } from '../dom.js';
import { interval, minute, number, percent } from '../format.js';
import { t } from '../i18n.js';
import { connection, pipeline, plant, rate } from '../live.js';
import { rateFigure } from './rate.js';

const TREND_EVERY_MS = 20_000;
const TREND_WHILE_FILLING_MS = 4000;
const TREND_AFTER_ERROR_MS = 5000;

/** Make the headline; it lives as long as `scope`. */
export function headline(scope) {
  const welds = rateFigure({ none: t('headline.none') });
  const bodies = rateFigure({ none: t('headline.none_bodies') });
  const defects = h('dd');
  const unjudged = h('dd');
  const window = h('span', { class: 'muted' });
  const lines = h('tbody');
  const trend = trendChart();
  scope.add(trend.close);

  const element = h(
    'section',
    { class: 'panel headline live-part', 'aria-label': t('headline.label') },
    h('div', { class: 'main' }, h('h2', { class: 'label', text: t('headline.welds') }), welds.figure, welds.doubt),
    h('div', { class: 'side' }, h('h2', { class: 'label', text: t('headline.bodies') }), bodies.figure, bodies.doubt, h('p', {}, window)),
    h(
      'div',
      { class: 'side' },
      h('dl', { class: 'numbers' }, h('div', {}, h('dt', { text: t('headline.defects') }), defects), h('div', {}, h('dt', { text: t('headline.unjudged') }), unjudged)),
      h('table', { class: 'per-line', 'aria-label': t('headline.lines') }, lines),
    ),
    h('div', { class: 'trend' }, h('div', {}, h('h2', { class: 'label', text: t('trend.title') }), trend.caption), trend.plot),
  );

  scope.watch(rate, (value) => {
    if (!value) return;
    welds.set(value.welds);
    bodies.set(value.bodies);
    setText(defects, number(value.welds.defect));
    defects.classList.toggle('tone-defect', value.welds.defect > 0);
    setText(unjudged, number(value.welds.unjudged));
    keyed(lines, value.lines, ({ group }) => group.line, makeLine, updateLine);
  });
  scope.watch(plant, (value) => {
    if (value) setText(window, value.shift ? t('headline.shift', { name: value.shift.name, time: minute(value.shift.start) }) : t('headline.window'));
  });

  let timer = 0;
  const abort = new AbortController();
  async function loadTrend() {
    clearTimeout(timer);
    let wait = pipeline.value?.historical ? TREND_WHILE_FILLING_MS : TREND_EVERY_MS;
    try {
      const since = rate.value?.since ?? plant.value?.shift?.start ?? '-8h';
      trend.set(await get('/trend', { since }, abort.signal));
    } catch {
      wait = TREND_AFTER_ERROR_MS;
    }
    if (!abort.signal.aborted) timer = setTimeout(loadTrend, wait);
  }
  scope.add(
    () => abort.abort(),
    () => clearTimeout(timer),
    connection.on(({ state }) => state === 'live' && loadTrend()),
  );
  void loadTrend();
  return element;
}

function makeLine({ group }) {
  return h('tr', {}, h('th', { scope: 'row', text: group.line }), h('td', { class: 'rate' }), h('td', { class: 'muted small' }), h('td', { class: 'muted small' }));
}

function updateLine(row, value) {
  const [, share, range, n] = row.children;
  setText(share, value.n ? `${percent(value.rate)} %` : '–');
  setText(range, value.n ? interval(value) : '');
  setText(n, value.n ? `n = ${number(value.n)}` : '');
}
