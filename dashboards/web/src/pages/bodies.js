// The last bodies, and where on a body its defects are.

import { get, segment } from '../api.js';
import { failed, waiting } from '../components/notice.js';
import { panel } from '../components/panel.js';
import { spotRow } from '../components/weldlist.js';
import { h, keyed, setText } from '../dom.js';
import { number, time } from '../format.js';
import { t } from '../i18n.js';
import { spots, spotsChanged } from '../live.js';
import { spotMap } from '../map/view.js';
import { go, href } from '../router.js';
import { icon, tone } from '../shapes.js';

const PAGE = 50;
const RELOAD_EVERY_MS = 5000;
const COLUMNS = ['weld.body', 'weld.verdict', 'bodies.defects', 'bodies.missing', 'bodies.unjudged', 'bodies.last'];
const VERDICTS = { ok: 'bodies.qualifies', defect: 'bodies.not_qualified', unjudged: 'bodies.open' };
const NUMERIC = new Set(COLUMNS.slice(2));

export function bodiesPage(root, scope, id) {
  root.append(
    h('h1', { class: 'visually-hidden', tabindex: -1, text: t('nav.bodies') }),
    h('div', { class: 'split fixed-page' }, listPanel(scope, id), id ? detail(scope, id) : panel({ title: t('weld.body') }, h('p', { class: 'notice', text: t('bodies.choose') }))),
  );
}

function verdictOf({ verdict, complete }) {
  const shape = complete ? verdict : verdict === 'defect' ? 'defect' : 'unjudged';
  return h('span', { class: `mark ${tone(shape)}` }, icon(shape, tone(shape)), t(VERDICTS[shape]));
}

function listPanel(scope, id) {
  const notice = h('div', {}, waiting());
  const body = h('tbody');
  const head = h('tr', {}, COLUMNS.map((key) => h('th', { scope: 'col', class: NUMERIC.has(key) ? 'num' : '', text: t(key) })));
  const older = h('button', { class: 'button', type: 'button', text: t('bodies.older'), hidden: true, on: { click: () => load(next) } });
  const items = new Map();
  const abort = new AbortController();
  let next = null;

  async function load(cursor = null) {
    try {
      const page = await get('/bodies', { limit: PAGE, ...(cursor && { cursor }) }, abort.signal);
      if (cursor || !items.size) next = page.next;
      for (const item of page.items) items.set(item.body, item);
    } catch (error) {
      if (!abort.signal.aborted && !items.size) notice.replaceChildren(failed(error, { retry: () => load() }));
      return;
    }
    const sorted = [...items.values()].sort((a, b) => (a.first < b.first ? 1 : -1));
    notice.replaceChildren(...(sorted.length ? [] : [h('p', { class: 'notice', text: t('bodies.none') })]));
    older.hidden = next === null;
    keyed(body, sorted, (item) => item.body, (item) => makeRow(item, item.body === id), updateRow);
  }
  scope.add(() => abort.abort());
  scope.every(RELOAD_EVERY_MS, () => !document.hidden && load());
  void load();
  return panel({ title: t('bodies.title') }, h('div', { class: 'scroll' }, notice, h('table', { class: 'table' }, h('thead', {}, head), body), h('p', { class: 'notice' }, older)));
}

const makeRow = ({ body }, chosen) =>
  h(
    'tr',
    { class: chosen ? 'chosen' : '' },
    h('th', { scope: 'row' }, h('a', { href: href('bodies', body), text: body, 'aria-current': chosen ? 'true' : null })),
    h('td'),
    COLUMNS.slice(2).map(() => h('td', { class: 'num' })),
  );

function updateRow(row, item) {
  const [, verdict, ...cells] = row.children;
  const state = item.verdict + item.complete;
  if (verdict.dataset.value !== state) {
    verdict.dataset.value = state;
    verdict.replaceChildren(verdictOf(item));
  }
  const texts = [number(item.defect), item.complete ? number(item.missing) : t('bodies.in_work'), number(item.unjudged), time(item.last)];
  for (const [k, text] of texts.entries()) setText(cells[k], text);
  cells[0].classList.toggle('tone-defect', item.defect > 0);
}

function detail(scope, id) {
  const abort = new AbortController();
  let drawn = null;
  const map = spotMap({ list: () => [...spots.values()].map((spot) => onBody(spot, drawn)), onOpen: (spot) => go(href('spots', spot)), states: ['ok', 'defect', 'unjudged', 'missing'] });
  scope.add(
    () => abort.abort(),
    map.close,
    spotsChanged.on((changed) => changed === null && map.refresh()),
  );
  const state = h('span');
  const span = h('span', { class: 'muted small' });
  const notice = h('div', {}, waiting());
  const list = h('ul', { class: 'welds' });
  const lost = h('div');
  const scroll = h('div', { class: 'scroll' }, notice, list, lost);

  async function load() {
    let data;
    try {
      data = await get(`/bodies/${segment(id)}`, {}, abort.signal);
    } catch (error) {
      if (abort.signal.aborted || drawn) return;
      notice.replaceChildren(error.status === 404 ? h('p', { class: 'notice', text: t('state.not_found', { what: id }) }) : failed(error, { retry: load }));
      return;
    }
    drawn = { byId: new Map(data.welds.map((weld) => [weld.spot, weld])), missing: new Set(data.missing_spots), data };
    state.replaceChildren(verdictOf(data));
    setText(span, t('bodies.span', { spots: number(data.spots), first: time(data.first), last: time(data.last) }));
    notice.replaceChildren(...(data.welds.length ? [] : [h('p', { class: 'notice', text: t('bodies.no_welds') })]));
    keyed(list, data.welds, (weld) => weld.id, (weld) => spotRow(weld));
    lost.replaceChildren(...(data.missing_spots.length ? [missingSpots(data.missing_spots)] : []));
    map.refresh();
  }
  scope.every(RELOAD_EVERY_MS, () => !document.hidden && !drawn?.data.complete && load());
  void load();
  return h(
    'div',
    { class: 'column' },
    panel({ title: t('bodies.detail', { body: id }), className: 'map-panel', end: [state, map.controls] }, map.element),
    panel({ title: t('bodies.welds'), end: span }, scroll),
  );
}

/** The spot as this body has it: its weld if it is told of, missing, or conforming. */
function onBody(spot, drawn) {
  const base = { ...spot, seen: 0, cause: '', score: null, time: null };
  const weld = drawn?.byId.get(spot.spot);
  if (weld) return { ...base, verdict: weld.verdict, cause: weld.cause, score: weld.score, time: weld.time };
  if (!drawn) return { ...base, verdict: '' };
  return { ...base, verdict: drawn.missing.has(spot.spot) ? 'missing' : 'ok' };
}

const missingSpots = (ids) =>
  h('section', { class: 'body' }, h('h3', { text: t('bodies.missing_spots') }), h('ul', { class: 'legend' }, ids.map((spot) => h('li', {}, icon('missing', tone('missing')), h('a', { href: href('spots', spot), text: spot })))));
