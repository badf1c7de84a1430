// Every feature of a spot over its last welds, small and side by side.

import { BAND_SIGMAS } from '../charts/curves.js';
import { featureChart } from '../charts/features.js';
import { panel } from '../components/panel.js';
import { h, keyed, setText } from '../dom.js';
import { number, significant } from '../format.js';
import { t } from '../i18n.js';
import { featureName, featureUnit } from '../words.js';

/** Make the panel; `show(welds, stream)` takes WeldDetail items, newest first. */
export function featuresPanel(scope) {
  const grid = h('div', { class: 'small-charts live-part' });
  const charts = new Map();
  scope.add(() => charts.forEach((chart) => chart.close()));

  const make = ({ name }) => {
    const plot = h('div', { class: 'plot', role: 'img' });
    const figure = h('figure', { class: 'small-chart' }, h('figcaption', {}, h('span', { text: featureName(name) }), h('b')), plot);
    charts.set(figure, featureChart(plot));
    return figure;
  };

  return {
    element: panel({ title: t('spot.features'), className: 'wide', end: h('span', { class: 'muted small', text: t('spot.features_note', { k: number(BAND_SIGMAS) }) }) }, grid),
    show(welds, stream) {
      const oldestFirst = [...welds].reverse();
      const valueOf = (weld, name) => weld.features.find((each) => each.name === name)?.value ?? null;
      const named = (welds[0]?.features ?? []).filter(({ name }) => welds.some((weld) => valueOf(weld, name) !== null));
      keyed(grid, named, ({ name }) => name, make, (figure, { name, value }) => {
        const points = oldestFirst.map((weld) => ({ time: Date.parse(weld.time) / 1000, value: valueOf(weld, name), verdict: weld.verdict }));
        charts.get(figure).set(points, stream?.features.find((each) => each.name === name) ?? { centre: null, sigma: null });
        const latest = { feature: featureName(name), value: significant(value), unit: featureUnit(name) };
        setText(figure.querySelector('b'), `${latest.value} ${latest.unit}`);
        figure.querySelector('.plot').setAttribute('aria-label', t('spot.feature_label', latest));
      });
    },
  };
}
