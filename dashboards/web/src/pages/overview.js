// The whole plant on one screen.

import { followChanges, followSignals } from '../components/findings.js';
import { announcer, spotRow } from '../components/weldlist.js';
import { failed, firstSteps, waiting } from '../components/notice.js';
import { headline } from '../components/headline.js';
import { panel } from '../components/panel.js';
import { accountLine, exceptionsFirst, sourceCounts, sourceState, sourceTrouble } from '../components/sources.js';
import { batched, h, keyed } from '../dom.js';
import { fleetCounts } from '../floor/counts.js';
import { floorPlan } from '../floor/view.js';
import { number } from '../format.js';
import { t } from '../i18n.js';
import { defects, isEmpty, loading, rate, reload, signals, sources, spots, spotsChanged, welds } from '../live.js';
import { spotMap } from '../map/view.js';
import { go, href } from '../router.js';

const ANNOUNCE_EVERY_MS = 8000;
const SHOWN_DEFECTS = 40;
const CHANGES_EVERY_MS = 60_000;
const SHOWN_CHANGES = 3;
const SHOWN_SIGNALS = 20;

export function overview(root, scope) {
  const page = h('div', { class: 'overview fixed-page' });
  root.append(h('h1', { class: 'visually-hidden', tabindex: -1, text: t('nav.overview') }), page);
  let shown = '';

  const show = () => {
    const next = loading.value.state === 'ready' ? (isEmpty() ? 'empty' : 'plant') : loading.value.state;
    if (next === shown) return;
    shown = next;
    if (next === 'loading') page.replaceChildren(waiting());
    else if (next === 'error') page.replaceChildren(failed(loading.value.error, { retry: reload, byItself: true }));
    else page.replaceChildren(...(next === 'empty' ? [firstSteps()] : []), ...parts);
    page.classList.toggle('fixed-page', next === 'plant');
  };
  const parts = [headline(scope), mapPanel(scope), defectsPanel(scope), findingsPanel(scope), floorPanel(scope), sourcesPanel(scope)];
  scope.watch(loading, show);
  scope.add(rate.on(show));
}

function mapPanel(scope) {
  const map = spotMap({ list: () => [...spots.values()], onOpen: (spot) => go(href('spots', spot)), states: ['ok', 'defect', 'unjudged', 'unseen'] });
  let known = spots.size;
  scope.add(
    map.close,
    spotsChanged.on((changed) => {
      if (changed === null || spots.size !== known) map.refresh();
      else map.update(changed);
      known = spots.size;
    }),
  );
  const options = h('datalist', { id: 'spot-ids' });
  const fill = () => keyed(options, [...spots.keys()], (id) => id, (id) => h('option', { value: id }));
  const find = h('input', {
    class: 'field',
    type: 'search',
    list: 'spot-ids',
    placeholder: t('map.find'),
    'aria-label': t('map.find'),
    autocomplete: 'off',
    spellcheck: 'false',
    on: {
      focus: fill, // 3,000 options are made only when someone looks for one
      input: () => find.setCustomValidity(''),
    },
  });
  const search = h(
    'form',
    {
      role: 'search',
      on: {
        submit: (event) => {
          event.preventDefault();
          const id = find.value.trim();
          if (spots.has(id)) go(href('spots', id));
          else if (id) {
            find.setCustomValidity(t('map.find_none'));
            find.reportValidity();
          }
        },
      },
    },
    find,
    options,
  );
  return panel({ title: t('map.title'), className: 'map-panel', end: [search, map.controls] }, map.element);
}

function defectsPanel(scope) {
  const list = h('ul', { class: 'welds' });
  const none = h('p', { class: 'notice', text: t('defects.none') });
  const voice = announcer(ANNOUNCE_EVERY_MS);
  const fresh = new Set();
  const draw = batched(() => {
    none.hidden = defects.value.length > 0;
    keyed(list, defects.value.slice(0, SHOWN_DEFECTS), ({ id }) => id, (weld) => spotRow(weld, { fresh: fresh.has(weld.id) }));
    fresh.clear();
  });
  scope.watch(defects, draw);
  scope.add(
    draw.cancel,
    voice.close,
    welds.on((items) => {
      const live = items.filter(({ verdict, late }) => verdict === 'defect' && !late);
      for (const { id } of live) fresh.add(id);
      if (live.length) voice.add(live);
    }),
  );
  return panel({ title: t('defects.title'), className: 'defects-panel live-part' }, voice.element, h('div', { class: 'scroll' }, none, list));
}

function findingsPanel(scope) {
  const changes = h('ul', { class: 'welds' });
  const noticed = h('ul', { class: 'welds' });
  const none = h('p', { class: 'notice', text: t('changes.none'), hidden: true });
  let asked = false;
  const show = () => {
    none.hidden = !asked || changes.childElementCount > 0 || signals.value.length > 0;
  };
  const voice = followSignals(scope, { list: noticed, most: SHOWN_SIGNALS });
  followChanges(scope, {
    since: () => rate.value?.since ?? '-8h',
    list: changes,
    most: SHOWN_CHANGES,
    everyMs: CHANGES_EVERY_MS,
    onState: () => {
      asked = true;
      show();
    },
  });
  scope.add(signals.on(show));
  const element = panel({ title: '', className: 'findings-panel live-part' }, voice, h('div', { class: 'scroll' }, none, changes, noticed));
  element.querySelector('h2').append(h('a', { href: href('changes'), text: t('changes.title') }));
  return element;
}

function floorPanel(scope) {
  const plan = floorPlan({ onOpen: (id) => go(href('fleet', id)) });
  scope.add(plan.close);
  return panel({ title: t('floor.title'), className: 'floor-panel', end: fleetCounts(scope) }, plan.element);
}

function sourcesPanel(scope) {
  const counts = h('span', { class: 'legend' });
  const account = h('div', { class: 'body' });
  const grid = h('div', { class: 'sources-grid', 'aria-hidden': 'true' });
  const list = h('ul', { class: 'source-list' });
  const all = h('ul', { class: 'source-list' });
  const more = h('details', {}, h('summary', { text: t('sources.show_all') }), all);
  const fine = h('p', { class: 'body muted' });
  const row = (item) => h('li', {}, h('span', { class: 'name', text: item.source }), h('span', { class: 'what' }, sourceState(item.state), ' ', h('span', { class: 'muted', text: sourceTrouble(item) })));
  const keyOf = (item) => `${item.source} ${item.state} ${Math.round((item.clock_offset_ms ?? 0) / 100)}`;
  const draw = batched(() => {
    if (!sources.value) return;
    const { items, account: total } = sources.value;
    const sorted = exceptionsFirst(items);
    const bad = sorted.filter(({ state }) => state !== 'live');
    counts.replaceChildren(...sourceCounts(items));
    account.replaceChildren(accountLine(total));
    keyed(grid, sorted, ({ source }) => source, () => h('i'), (cell, item) => {
      if (cell.dataset.state !== item.state) cell.dataset.state = item.state;
      cell.title = item.source;
    });
    keyed(list, bad, keyOf, row);
    if (more.open) keyed(all, sorted, keyOf, row);
    more.hidden = items.length === 0;
    fine.hidden = bad.length > 0;
    fine.textContent = items.length ? t('sources.all_fine', { n: number(items.length) }) : t('sources.none');
  });
  more.addEventListener('toggle', draw);
  scope.watch(sources, draw);
  scope.add(draw.cancel);
  const title = h('a', { href: href('sources'), text: t('sources.title') });
  const element = panel({ title: '', className: 'sources-panel live-part', end: counts }, h('div', { class: 'scroll' }, account, grid, fine, list, more));
  element.querySelector('h2').append(title);
  return element;
}
