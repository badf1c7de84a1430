// How this spot has been: its verdicts in a row, one feature over time with its reference, or its control chart, and
// what happened at its machine meanwhile.

import { get } from '../api.js';
import { controlChart } from '../charts/control.js';
import { BAND_SIGMAS } from '../charts/curves.js';
import { featureChart } from '../charts/features.js';
import { trouble } from '../components/notice.js';
import { panel } from '../components/panel.js';
import { h, keyed, setText } from '../dom.js';
import { number, significant, time } from '../format.js';
import { t } from '../i18n.js';
import { icon, tone } from '../shapes.js';
import { eventName, featureName, featureUnit, verdictName } from '../words.js';

const VIEWS = ['values', 'ewma', 'cusum'];
const FIRST_CHOICE = 'r_beta_uohm';

const seconds = (text) => Date.parse(text) / 1000;

/** Make the panel; `show({welds, stream, events, lead})` takes welds newest first. */
export function historyPanel(spot, scope) {
  const strip = h('div', { class: 'strip', role: 'img' });
  const select = h('select', { class: 'field', 'aria-label': t('history.feature'), on: { change: () => choose(select.value) } });
  const views = h('span', { class: 'segmented', role: 'group', 'aria-label': t('history.view') }, VIEWS.map((name) => h('button', { type: 'button', 'data-view': name, text: t(`history.view_${name}`), on: { click: () => look(name) } })));
  const plot = h('div', { class: 'plot history-plot', role: 'img' });
  const control = h('div', { class: 'plot history-plot', role: 'img', hidden: true });
  const none = h('p', { class: 'notice', hidden: true });
  const caption = h('p', { class: 'muted small' });
  const legend = h('ul', { class: 'legend body' });
  const values = featureChart(plot, { eventLabels: true });
  const chart = controlChart(control);
  const abort = new AbortController();
  scope.add(values.close, chart.close, () => abort.abort());
  const element = panel({ title: t('history.title'), className: 'history-panel', end: [select, views] }, strip, h('div', { class: 'body history-body' }, plot, control, none, caption), legend);

  let shown = null;
  let feature = '';
  let touched = false;
  let view = 'values';

  function choose(name) {
    feature = name;
    touched = true;
    draw();
  }

  function look(name) {
    view = name;
    draw();
  }

  function draw() {
    for (const button of views.children) button.setAttribute('aria-pressed', String(button.dataset.view === view));
    select.value = feature;
    plot.hidden = view !== 'values';
    control.hidden = view === 'values';
    none.hidden = true;
    if (view === 'values') drawValues();
    else void drawControl();
  }

  function drawValues() {
    const { welds, stream, events } = shown;
    const points = [...welds].reverse().map((weld) => ({ time: seconds(weld.time), value: valueOf(weld, feature), verdict: weld.verdict }));
    const reference = stream?.features.find(({ name }) => name === feature) ?? { centre: null, sigma: null };
    values.set(points, reference, within(events, points));
    const unit = featureUnit(feature);
    setText(caption, reference.centre === null ? t('history.caption_bare') : t('history.caption', { centre: significant(reference.centre), sigma: significant(reference.sigma, 2), unit, k: number(BAND_SIGMAS) }));
    plot.setAttribute('aria-label', t('spot.feature_label', { feature: featureName(feature), value: significant(points.at(-1)?.value), unit }));
  }

  async function drawControl() {
    const asked = `${feature} ${view}`;
    let streams;
    try {
      streams = await get('/spc', { spot, feature, ...(shown.stream && { program: shown.stream.program }) }, abort.signal);
    } catch (error) {
      if (abort.signal.aborted || asked !== `${feature} ${view}`) return;
      control.hidden = true;
      none.hidden = false;
      setText(none, error.status === 404 || error.status === 0 || error.status === 503 ? t('history.no_control') : trouble(error));
      setText(caption, '');
      return;
    }
    if (asked !== `${feature} ${view}`) return;
    const stream = (Array.isArray(streams) ? streams : (streams.items ?? [])).find(({ points }) => points.length);
    control.hidden = !stream;
    none.hidden = Boolean(stream);
    if (!stream) return setText(none, t('history.no_points'));
    const points = stream.points.map((point) => ({ ...point, at: seconds(point.time) }));
    chart.set(points, stream.limits, view, within(shown.events, points.map(({ at }) => ({ time: at }))));
    const signals = points.filter(({ signal }) => signal).length;
    const { alarms_per_hour: budget } = stream.limits;
    setText(caption, t('history.control_caption', { limit: number(stream.limits[view], 2), budget: number(budget, budget % 1 ? 1 : 0), run: number(stream.limits.average_run_length), signals: number(signals) }));
    control.setAttribute('aria-label', t('history.control_label', { feature: featureName(feature), n: number(points.length), signals: number(signals) }));
  }

  return {
    element,
    show(next) {
      shown = next;
      const { welds, events, lead } = next;
      const named = (welds[0]?.features ?? []).map(({ name }) => name).filter((name) => welds.some((weld) => valueOf(weld, name) !== null));
      keyed(select, named, (name) => name, (name) => h('option', { value: name, text: featureName(name) }));
      if (!touched || !named.includes(feature)) feature = named.includes(lead) ? lead : named.includes(FIRST_CHOICE) ? FIRST_CHOICE : (named[0] ?? '');
      element.hidden = !named.length;
      showStrip(strip, welds);
      const span = within(events, welds.map((weld) => ({ time: seconds(weld.time) })));
      keyed(legend, [...new Set(span.map(({ kind }) => kind))], (kind) => kind, (kind) => h('li', {}, h('span', { class: 'event-line', 'aria-hidden': 'true' }), eventName(kind)));
      if (named.length) draw();
    },
  };
}

const valueOf = (weld, name) => weld.features.find((each) => each.name === name)?.value ?? null;

/** The events between the first and the last point, as {at, kind}. */
function within(events, points) {
  if (points.length < 2) return [];
  const times = points.map(({ time: at }) => at);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  return events.map(({ time: at, kind }) => ({ at: seconds(at), kind })).filter(({ at }) => at >= from && at <= to);
}

/** One mark per weld, the oldest first: the eye sees a cluster of defects before any chart does. */
function showStrip(strip, welds) {
  keyed(strip, [...welds].reverse(), ({ id }) => id, (weld) => {
    const mark = icon(weld.verdict, tone(weld.verdict));
    return h('span', { title: `${time(weld.time)} ${verdictName(weld.verdict)}` }, mark);
  });
  const count = (verdict) => number(welds.filter((weld) => weld.verdict === verdict).length);
  strip.setAttribute('aria-label', t('history.strip', { n: number(welds.length), ok: count('ok'), defect: count('defect'), unjudged: count('unjudged') }));
}
