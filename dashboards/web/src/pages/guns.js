// The guns' electrodes: how far they have worn, how many welds are left, and whether the last dress worked.

import { get, segment } from '../api.js';
import { wearChart } from '../charts/wear.js';
import { signalRow } from '../components/findings.js';
import { failed, waiting } from '../components/notice.js';
import { panel } from '../components/panel.js';
import { h, keyed, setText } from '../dom.js';
import { number, percent, time } from '../format.js';
import { t } from '../i18n.js';
import { href } from '../router.js';
import { icon, tone } from '../shapes.js';
import { eventName, featureName } from '../words.js';

const RELOAD_EVERY_MS = 5000;
const SOON_WELDS = 100;
const COLUMNS = ['guns.gun', 'guns.wear_short', 'guns.remaining', 'guns.interval', 'guns.due', 'guns.dressed', 'guns.worked'];
const NUMERIC = new Set(['guns.wear_short', 'guns.remaining', 'guns.interval']);
const LEAST_AHEAD = 20;
const MOST_AHEAD = 500;

export function gunsPage(root, scope, id) {
  root.append(
    h('h1', { class: 'visually-hidden', tabindex: -1, text: t('nav.guns') }),
    h('div', { class: 'split guns fixed-page' }, listPanel(scope, id), id ? detail(scope, id) : panel({ title: t('guns.gun') }, h('p', { class: 'notice', text: t('guns.choose') }))),
  );
}

/** The fewest welds left come first; guns that nothing is known of last. */
const urgency = ({ low, remaining }) => low ?? remaining ?? Infinity;

function listPanel(scope, id) {
  const notice = h('div', {}, waiting());
  const body = h('tbody');
  const head = h('tr', {}, COLUMNS.map((key) => h('th', { scope: 'col', class: NUMERIC.has(key) ? 'num' : '', text: t(key) })));
  const abort = new AbortController();
  let loaded = false;

  async function load() {
    let items;
    try {
      items = await get('/guns', {}, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted && !loaded) notice.replaceChildren(failed(error, { retry: () => void load(), byItself: true }));
      return;
    }
    loaded = true;
    items.sort((a, b) => urgency(a) - urgency(b) || (a.gun < b.gun ? -1 : 1));
    notice.replaceChildren(...(items.length ? [] : [h('p', { class: 'notice', text: t('guns.none') })]));
    keyed(body, items, ({ gun }) => gun, ({ gun }) => makeRow(gun, gun === id), updateRow);
  }
  scope.add(() => abort.abort());
  scope.every(RELOAD_EVERY_MS, () => !document.hidden && load());
  void load();
  return panel({ title: t('guns.title'), className: 'live-part' }, h('div', { class: 'scroll' }, notice, h('table', { class: 'table' }, h('thead', {}, head), body)));
}

const makeRow = (gun, chosen) =>
  h(
    'tr',
    { class: chosen ? 'chosen' : '' },
    h('th', { scope: 'row' }, h('a', { href: href('guns', gun), text: gun, 'aria-current': chosen ? 'true' : null })),
    COLUMNS.slice(1).map((key) => h('td', { class: NUMERIC.has(key) ? 'num' : '' })),
  );

function updateRow(row, gun) {
  const [, wear, remaining, range, due, dressed, worked] = row.children;
  setText(wear, number(gun.wear));
  setText(remaining, gun.remaining === null ? '–' : number(gun.remaining));
  remaining.classList.toggle('tone-warn', isSoon(gun));
  setText(range, intervalOf(gun));
  setText(due, eventName(gun.next));
  setText(dressed, time(gun.dressed));
  const state = String(gun.check?.effective);
  if (worked.dataset.value === state) return;
  worked.dataset.value = state;
  worked.replaceChildren(checkMark(gun.check));
}

/** Wear, not the usual dress, brings the gun to its limit, and soon. */
const isSoon = ({ limit, low }) => (limit === 'reference' || limit === 'density') && low !== null && low < SOON_WELDS;

const intervalOf = ({ low, high }) => (low === null ? '' : `[${number(low)}, ${high === null ? '∞' : number(high)}]`);

function checkMark(check) {
  if (!check || check.effective === null) return h('span', { class: 'muted', text: t(check ? 'guns.check_open' : 'guns.check_none') });
  const shape = check.effective ? 'check' : 'noticed';
  return h('span', { class: `mark ${tone(shape)}` }, icon(shape, tone(shape)), t(check.effective ? 'guns.check_yes' : 'guns.check_no'));
}

function detail(scope, id) {
  const abort = new AbortController();
  const notice = h('div', {}, waiting());
  const words = h('p', { class: 'body gun-sentence' });
  const facts = h('dl', { class: 'facts body' });
  const grid = h('div', { class: 'small-charts' });
  const list = h('ul', { class: 'welds' });
  const none = h('p', { class: 'notice', text: t('guns.no_signals'), hidden: true });
  const charts = new Map();
  let shown = false;

  const make = ({ feature }) => {
    const plot = h('div', { class: 'plot', role: 'img' });
    const figure = h('figure', { class: 'small-chart' }, h('figcaption', {}, h('span', { text: featureName(feature) }), h('b')), plot);
    charts.set(figure, wearChart(plot));
    return figure;
  };

  async function load() {
    let gun;
    try {
      gun = await get(`/guns/${segment(id)}`, {}, abort.signal);
    } catch (error) {
      if (abort.signal.aborted || shown) return;
      notice.replaceChildren(error.status === 404 ? h('p', { class: 'notice', text: t('state.not_found', { what: id }) }) : failed(error, { retry: () => void load(), byItself: true }));
      return;
    }
    shown = true;
    notice.replaceChildren();
    setText(words, forecastSentence(gun));
    facts.replaceChildren(...factsOf(gun).flatMap(([key, value]) => [h('dt', { text: t(key) }), h('dd', { text: value })]));
    const ahead = Math.min(MOST_AHEAD, Math.max(LEAST_AHEAD, gun.remaining ?? gun.routine ?? LEAST_AHEAD));
    keyed(grid, gun.trends, ({ feature }) => feature, make, (figure, trend) => {
      charts.get(figure).set({ points: gun.points, trend, now: gun.wear, ahead });
      const rate = trend.per_100 === null ? '–' : t('guns.per_100', { share: signed(trend.per_100), low: signed(trend.low), high: signed(trend.high) });
      setText(figure.querySelector('b'), rate);
      figure.querySelector('.plot').setAttribute('aria-label', t('guns.trend_label', { feature: featureName(trend.feature), rate }));
    });
    none.hidden = gun.signals.length > 0;
    keyed(list, gun.signals, ({ id: signal }) => signal, signalRow);
  }
  scope.add(
    () => abort.abort(),
    () => charts.forEach((chart) => chart.close()),
  );
  scope.every(RELOAD_EVERY_MS, () => !document.hidden && load());
  void load();
  return h(
    'div',
    { class: 'column' },
    panel({ title: t('guns.detail', { gun: id }), className: 'live-part' }, h('div', { class: 'scroll' }, notice, words, facts, h('h3', { class: 'body-title', text: t('guns.trends') }), grid)),
    panel({ title: t('guns.signals'), className: 'live-part' }, h('div', { class: 'scroll' }, none, list)),
  );
}

const signed = (share) => (share === null ? '–' : `${share < 0 ? '−' : '+'}${percent(Math.abs(share), 1)} %`);

/** What comes first and when, with its doubt. */
function forecastSentence(gun) {
  if (gun.remaining === null) return t(gun.ready ? 'guns.nothing_moves' : 'guns.not_ready');
  return t(`guns.limit_${gun.limit}`, { n: number(gun.remaining), interval: intervalOf(gun), feature: gun.feature ? featureName(gun.feature) : '', due: eventName(gun.next) });
}

function factsOf(gun) {
  const rows = [
    ['guns.wear', t(gun.counted ? 'guns.counted' : 'guns.counted_here', { n: number(gun.wear) })],
    ['guns.dressed', gun.dressed === null ? t('guns.never_seen') : time(gun.dressed)],
    ['guns.routine', gun.routine === null ? '–' : t('guns.routine_value', { n: number(gun.routine) })],
    ['guns.caps', gun.caps_changed === null ? t('guns.caps_never', { n: number(gun.caps_welds) }) : t('guns.caps_value', { time: time(gun.caps_changed), n: number(gun.caps_welds) })],
    ['guns.dresses', gun.dresses_per_cap === null ? number(gun.dresses) : t('guns.dresses_of', { n: number(gun.dresses), usual: number(gun.dresses_per_cap) })],
    ['guns.due', eventName(gun.next)],
  ];
  const { check } = gun;
  if (check && check.recovered !== null) rows.push(['guns.worked', t('guns.recovered', { share: percent(check.recovered, 0), low: percent(check.low, 0), high: percent(check.high, 0), feature: featureName(check.feature), time: time(check.time) })]);
  if (gun.cell) rows.push(['spot.cell', `${gun.line} · ${gun.cell}`]);
  return rows;
}
