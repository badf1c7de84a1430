// One spot: why its last weld got its verdict, its curves over the reference, how it has been, and what may be done.

import { get, segment } from '../api.js';
import { failed, waiting } from '../components/notice.js';
import { panel } from '../components/panel.js';
import { choiceRow } from '../components/weldlist.js';
import { h, keyed } from '../dom.js';
import { t } from '../i18n.js';
import { connection, welds } from '../live.js';
import { href, route } from '../router.js';
import { curvesPanel } from '../spot/curves.js';
import { featuresPanel } from '../spot/features.js';
import { spotHead } from '../spot/head.js';
import { historyPanel } from '../spot/history.js';
import { recordInspection } from '../spot/inspection.js';
import { referencePanel } from '../spot/reference.js';
import { whyPanel } from '../spot/why.js';

const CURVES_SHOWN = 8;
const EVENTS_ASKED = 200;
const RELOAD_AFTER_MS = 700; // a verdict is told before its row is committed
const RELOAD_AT_MOST_EVERY_MS = 2000;
const ORDER_TAKES_MS = 60_000; // at most, until its event is looked for no longer

export function spotPage(root, scope, id) {
  const abort = new AbortController();
  scope.add(() => abort.abort());
  const curves = new Map();
  let data = null;
  let events = [];
  let chosen = route.value.query.get('weld');
  let timer = 0;
  let loadedAt = 0;
  let ordered = null; // the event of the last order, until it has come back through the journal

  const again = () => {
    const wait = Math.max(RELOAD_AFTER_MS, loadedAt + RELOAD_AT_MOST_EVERY_MS - performance.now());
    timer ||= setTimeout(load, wait);
  };
  const follow = (event) => {
    ordered = { event, until: performance.now() + ORDER_TAKES_MS };
    again();
  };
  const head = spotHead(id, scope);
  const curvesPart = curvesPanel(scope);
  const why = whyPanel({ onInspect: (weld) => recordInspection(weld, follow) });
  const list = weldList((weld) => void choose(weld));
  const history = historyPanel(id, scope);
  const reference = referencePanel(id, { onDone: follow });
  const features = featuresPanel(scope);
  const notice = h('div', {}, waiting());
  const page = h('div', { class: 'spot-page' }, head.summary, curvesPart.element, h('div', { class: 'side-column' }, why.element, list.element), history.element, reference.element, features.element);
  root.append(head.head, notice);

  async function load() {
    clearTimeout(timer);
    timer = 0;
    loadedAt = performance.now();
    try {
      data = await get(`/spots/${segment(id)}`, {}, abort.signal);
      await addChosen();
      await Promise.all([loadCurves(), loadEvents()]);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!data) notice.replaceChildren(error.status === 404 ? notFound(id) : failed(error, { retry: load }));
      return;
    }
    if (!page.isConnected) notice.replaceWith(page);
    head.show(data);
    list.show(data.welds);
    reference.showEvents(events);
    show();
    if (ordered && (events.some((event) => event.id === ordered.event) || performance.now() > ordered.until)) ordered = null;
    if (ordered) again();
  }

  /** A weld that was asked for by its address may be older than the last ones. */
  async function addChosen() {
    if (!chosen || data.welds.some((weld) => weld.id === chosen)) return;
    const weld = await get(`/welds/${segment(chosen)}`, {}, abort.signal).catch((error) => {
      if (error.status !== 404) throw error;
    });
    if (weld?.spot === id) data.welds.push(weld);
    else chosen = null;
  }

  /** Fetch the curves that are not here yet, and let go of those no longer shown. */
  async function loadCurves() {
    const kept = data.welds.filter(({ curve_kept: isKept }) => isKept).filter((weld, k) => k < CURVES_SHOWN || weld.id === chosen);
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

  /** What happened to this spot, its gun, or its whole cell. */
  async function loadEvents() {
    const answer = await get('/events', { cell: data.cell, limit: EVENTS_ASKED }, abort.signal);
    const items = Array.isArray(answer) ? answer : answer.items;
    events = items.filter(({ spot, gun }) => (spot ? spot === id : !gun || gun === data.gun));
  }

  async function choose(weld) {
    chosen = weld;
    if (data.welds.find((each) => each.id === chosen)?.curve_kept) await fetchCurve(chosen).catch(() => {});
    if (!abort.signal.aborted) show();
  }

  /** Draw the chosen weld, or the newest one; its curve strong, when it was kept, over those before it. */
  function show() {
    const weld = data.welds.find((each) => each.id === chosen) ?? data.welds[0] ?? null;
    const stream = data.streams.find(({ program }) => program === weld?.program) ?? data.streams[0];
    const ofProgram = data.welds.filter(({ program }) => program === weld?.program);
    const drawn = ofProgram.filter((each) => curves.has(each.id));
    const strong = curves.has(weld?.id) ? weld : chosen ? null : drawn[0];
    const items = drawn.filter((each, k) => k < CURVES_SHOWN || each === strong).map((each) => ({ weld: each, curve: curves.get(each.id), strong: each === strong }));
    items.sort((a, b) => Number(a.strong) - Number(b.strong));
    curvesPart.show(items);
    const told = chosen ? weld : (strong ?? weld);
    why.show(told);
    list.press(told?.id);
    history.show({ welds: ofProgram, stream, events, lead: told?.lead });
    reference.show(stream);
    features.show(ofProgram, stream);
  }

  scope.add(
    () => clearTimeout(timer),
    welds.on((items) => items.some(({ spot }) => spot === id) && again()),
    connection.on(({ state }) => state === 'live' && again()),
  );
  void load();
}

function weldList(onChoose) {
  const list = h('ul', { class: 'welds' });
  const none = h('p', { class: 'notice', text: t('spot.welds_none') });
  return {
    element: panel({ title: t('spot.welds'), className: 'welds-panel' }, h('div', { class: 'scroll' }, none, list)),
    show(items) {
      none.hidden = items.length > 0;
      keyed(list, items, (weld) => weld.id + weld.curve_kept, (weld) => choiceRow(weld, { onChoose, extra: weld.curve_kept ? null : t('spot.no_curve') }));
    },
    press(id) {
      const before = list.querySelector('[aria-pressed="true"]')?.parentElement.dataset.weld;
      for (const button of list.querySelectorAll('button')) button.setAttribute('aria-pressed', String(button.parentElement.dataset.weld === id));
      const row = list.querySelector('[aria-pressed="true"]')?.parentElement;
      if (!row || id === before) return;
      const box = list.parentElement; // only this list scrolls, never the page
      const [top, bottom] = [row.offsetTop - list.offsetTop, row.offsetTop - list.offsetTop + row.offsetHeight];
      if (top < box.scrollTop) box.scrollTop = top;
      else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
    },
  };
}

const notFound = (id) => h('div', { class: 'notice' }, h('p', { text: t('state.not_found', { what: id }) }), h('p', {}, h('a', { href: href('overview'), text: t('state.to_overview') })));
