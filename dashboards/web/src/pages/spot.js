// One spot: its last curves over the reference, its features over time, its welds.

import { get, segment } from '../api.js';
import { curveChart, BAND_SIGMAS } from '../charts/curves.js';
import { featureChart } from '../charts/features.js';
import { failed, waiting } from '../components/notice.js';
import { panel } from '../components/panel.js';
import { rateFigure } from '../components/rate.js';
import { choiceRow } from '../components/weldlist.js';
import { h, keyed, setText } from '../dom.js';
import { number, significant, time } from '../format.js';
import { t } from '../i18n.js';
import { connection, welds } from '../live.js';
import { back, href } from '../router.js';
import { icon, tone } from '../shapes.js';
import { featureName, featureUnit, verdictName } from '../words.js';

const CURVES_SHOWN = 8;
const RELOAD_AFTER_MS = 700; // a verdict is told before its row is committed
const RELOAD_AT_MOST_EVERY_MS = 2000;
const CHANNELS = { current_ka: 'spot.channel_current', voltage_v: 'spot.channel_voltage', force_kn: 'spot.channel_force', displacement_mm: 'spot.channel_displacement' };

export function spotPage(root, scope, id) {
  const abort = new AbortController();
  scope.add(() => abort.abort());
  const parts = build(id, scope, (chosen) => drawCurves(chosen));
  const curves = new Map();
  let data = null;
  let timer = 0;
  let loadedAt = 0;
  root.append(parts.head, parts.notice);
  parts.notice.replaceChildren(waiting());

  async function load() {
    clearTimeout(timer);
    timer = 0;
    loadedAt = performance.now();
    try {
      data = await get(`/spots/${segment(id)}`, {}, abort.signal);
      await loadCurves();
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!data) parts.notice.replaceChildren(error.status === 404 ? notFound(id) : failed(error, { retry: load }));
      return;
    }
    if (!parts.page.isConnected) parts.notice.replaceWith(parts.page);
    show();
  }

  /** Fetch the curves that are not here yet, and let go of those no longer shown. */
  async function loadCurves() {
    const kept = data.welds.filter(({ curve_kept: isKept }) => isKept).slice(0, CURVES_SHOWN);
    for (const known of [...curves.keys()]) if (!data.welds.some((weld) => weld.id === known)) curves.delete(known);
    await Promise.all(kept.map(({ id: weld }) => fetchCurve(weld)));
  }

  async function fetchCurve(weld) {
    if (curves.has(weld)) return;
    try {
      curves.set(weld, await get(`/welds/${segment(weld)}/curve`, {}, abort.signal));
    } catch (error) {
      if (error.status !== 404) throw error; // retention may have taken it meanwhile
    }
  }

  let chosen = null;
  async function drawCurves(choice = chosen) {
    chosen = choice;
    if (chosen && data.welds.find((weld) => weld.id === chosen)?.curve_kept) await fetchCurve(chosen).catch(() => {});
    if (abort.signal.aborted) return;
    const shown = data.welds.filter((weld) => curves.has(weld.id));
    const strong = curves.has(chosen) ? chosen : shown[0]?.id;
    const items = shown.filter((weld, k) => k < CURVES_SHOWN || weld.id === strong).map((weld) => ({ weld, curve: curves.get(weld.id), strong: weld.id === strong }));
    items.sort((a, b) => Number(a.strong) - Number(b.strong));
    const program = items.at(-1)?.weld.program ?? data.welds[0]?.program;
    const stream = data.streams.find((each) => each.program === program) ?? data.streams[0];
    parts.showCurves(items.filter(({ weld }) => weld.program === program), stream);
    for (const button of parts.list.querySelectorAll('button')) button.setAttribute('aria-pressed', String(button.parentElement.dataset.weld === strong));
    parts.showFeatures(data.welds.filter((weld) => weld.program === program), stream);
    parts.showStream(stream);
  }

  function show() {
    parts.showHead(data);
    parts.showWelds(data.welds);
    void drawCurves();
  }

  const again = () => {
    const wait = Math.max(RELOAD_AFTER_MS, loadedAt + RELOAD_AT_MOST_EVERY_MS - performance.now());
    timer ||= setTimeout(load, wait);
  };
  scope.add(
    () => clearTimeout(timer),
    welds.on((items) => items.some(({ spot }) => spot === id) && again()),
    connection.on(({ state }) => state === 'live' && again()),
  );
  void load();
}

const notFound = (id) => h('div', { class: 'notice' }, h('p', { text: t('state.not_found', { what: id }) }), h('p', {}, h('a', { href: href('overview'), text: t('state.to_overview') })));

/** The page's parts, and what fills each. */
function build(id, scope, onChoose) {
  const rate = rateFigure({ none: t('headline.none') });
  const state = h('span', { class: 'mark' });
  const facts = h('dl', { class: 'facts across' });
  const reference = h('dd');
  const leave = () => back(href('overview'));
  const head = h(
    'div',
    { class: 'page-head' },
    h('button', { class: 'button', type: 'button', on: { click: leave } }, icon('back'), ' ', t('spot.back')),
    h('h1', { tabindex: -1, text: id }),
    state,
  );
  const onKey = (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented) leave();
  };
  addEventListener('keydown', onKey);
  scope.add(() => removeEventListener('keydown', onKey));

  const none = h('p', { class: 'notice', text: t('spot.curves_none'), hidden: true });
  const main = h('div', { class: 'plot curve-main', role: 'img' }, none);
  const note = h('span', { class: 'muted small' });
  const resistance = curveChart(main, 'resistance_uohm', { label: t('spot.time_axis') });
  const channels = Object.entries(CHANNELS).map(([channel, key]) => {
    const plot = h('div', { class: 'plot' });
    const chart = curveChart(plot, channel, { compact: true });
    scope.add(chart.close);
    return { channel, chart, figure: h('figure', { class: 'small-chart' }, h('figcaption', { text: t(key) }), plot) };
  });
  const list = h('ul', { class: 'welds' });
  const noWelds = h('p', { class: 'notice', text: t('spot.welds_none') });
  const features = h('div', { class: 'small-charts live-part' });
  const charts = new Map();
  scope.add(resistance.close, () => charts.forEach((chart) => chart.close()));

  const summary = h('section', { class: 'panel spot-summary wide', 'aria-label': t('spot.rate') }, h('div', {}, h('h2', { class: 'label', text: t('spot.rate') }), rate.figure, rate.doubt), facts);
  const page = h(
    'div',
    { class: 'spot-page' },
    summary,
    panel({ title: t('spot.curves'), end: note }, main, h('div', { class: 'small-charts' }, channels.map(({ figure }) => figure))),
    panel({ title: t('spot.welds'), className: 'welds-panel' }, h('div', { class: 'scroll' }, noWelds, list)),
    panel({ title: t('spot.features'), className: 'wide', end: h('span', { class: 'muted small', text: t('spot.features_note', { k: BAND_SIGMAS }) }) }, features),
  );

  const featureFigure = ({ name }) => {
    const plot = h('div', { class: 'plot', role: 'img' });
    const figure = h('figure', { class: 'small-chart' }, h('figcaption', {}, h('span', { text: featureName(name) }), h('b')), plot);
    charts.set(figure, featureChart(plot));
    return figure;
  };

  return {
    head,
    page,
    list,
    notice: h('div', {}),
    showHead(data) {
      rate.set(data.rate);
      const verdict = data.welds[0]?.verdict ?? '';
      state.className = `mark ${tone(verdict || 'unseen')}`;
      state.replaceChildren(icon(verdict || 'unseen', tone(verdict || 'unseen')), verdictName(verdict));
      const position = data.x_mm === null ? t('spot.no_position') : t('spot.position_value', { x: number(data.x_mm), y: number(data.y_mm), z: number(data.z_mm) });
      const rows = [
        ['spot.line', data.line],
        ['spot.cell', data.cell],
        ['spot.gun', data.gun],
        ['spot.program', data.streams.map(({ program }) => program).join(', ')],
        ['spot.stack', data.stack],
        ['spot.position', position],
      ];
      facts.replaceChildren(
        ...rows.filter(([, value]) => value).map(([key, value]) => h('div', {}, h('dt', { text: t(key) }), h('dd', { text: value }))),
        h('div', {}, h('dt', { text: t('spot.reference') }), reference),
      );
    },
    showStream(stream) {
      if (!stream) return setText(reference, '–');
      const n = number(stream.n);
      return setText(reference, stream.learning ? t('spot.learning', { n }) : t('spot.reference_value', { version: number(stream.version), n }));
    },
    showWelds(items) {
      noWelds.hidden = items.length > 0;
      keyed(list, items, (weld) => weld.id + weld.curve_kept, (weld) => choiceRow(weld, { onChoose, extra: weld.curve_kept ? null : t('spot.no_curve') }));
    },
    showCurves(items, stream) {
      none.hidden = items.length > 0;
      setText(note, items.length ? t('spot.curves_note', { n: number(items.length), k: BAND_SIGMAS }) : '');
      resistance.set(items, stream?.band ?? null);
      for (const { channel, chart, figure } of channels) {
        const measured = items.filter(({ curve }) => curve[channel]?.some((value) => value !== null));
        figure.hidden = measured.length === 0;
        chart.set(measured);
      }
      const newest = items.at(-1)?.weld;
      if (newest) main.setAttribute('aria-label', t('spot.curves_label', { n: number(items.length), time: time(newest.time), verdict: verdictName(newest.verdict) }));
    },
    showFeatures(items, stream) {
      const oldestFirst = [...items].reverse();
      const named = (items[0]?.features ?? []).filter(({ name }) => items.some((weld) => weld.features.find((each) => each.name === name)?.value !== null));
      keyed(features, named, ({ name }) => name, featureFigure, (figure, { name, value }) => {
        const points = oldestFirst.map((weld) => ({ time: Date.parse(weld.time) / 1000, value: weld.features.find((each) => each.name === name)?.value ?? null, verdict: weld.verdict }));
        charts.get(figure).set(points, stream?.features.find((each) => each.name === name) ?? { centre: null, sigma: null });
        setText(figure.querySelector('b'), `${significant(value)} ${featureUnit(name)}`);
        figure.querySelector('.plot').setAttribute('aria-label', t('spot.feature_label', { feature: featureName(name), value: significant(value), unit: featureUnit(name) }));
      });
    },
  };
}
