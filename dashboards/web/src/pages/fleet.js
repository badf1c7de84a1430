// Every AGV: where it is, what it does, what ails it.

import { panel } from '../components/panel.js';
import { batched, h, keyed, setText } from '../dom.js';
import { fleetCounts } from '../floor/counts.js';
import { ORDER } from '../floor/paint.js';
import { floorPlan } from '../floor/view.js';
import { number, time } from '../format.js';
import { t } from '../i18n.js';
import { agvs, agvsChanged } from '../live.js';
import { go, href } from '../router.js';
import { icon, tone } from '../shapes.js';
import { activityName, modeName } from '../words.js';

const TABLE_EVERY_MS = 1000;
const LOW_BATTERY_PERCENT = 20;
const COLUMNS = ['agv.id', 'agv.activity', 'agv.battery', 'agv.mode', 'agv.errors', 'agv.version', 'agv.lost_short'];
const NUMERIC = new Set(['agv.battery', 'agv.lost_short']);

/** The activity last chosen in the filter; kept from page to page. */
let filter = '';

export function fleet(root, scope, id) {
  const plan = floorPlan({ onOpen: (agv) => go(href('fleet', agv)), chosenId: () => id, faded: (agv) => Boolean(filter) && agv.activity !== filter });
  scope.add(plan.close);

  const details = h('div', { class: 'scroll' });
  const body = h('tbody');
  const none = h('p', { class: 'notice', text: t('floor.none') });
  const select = h(
    'select',
    {
      class: 'field',
      'aria-label': t('agv.filter'),
      on: {
        change: () => {
          filter = select.value;
          draw();
          plan.refresh();
        },
      },
    },
    h('option', { value: '', text: t('agv.filter_all') }),
    [...ORDER].reverse().map((activity) => h('option', { value: activity, text: activityName(activity), selected: activity === filter })),
  );

  const draw = batched(() => {
    const severity = (agv) => -Math.max(ORDER.indexOf(agv.activity), agv.errors.length ? ORDER.length - 2 : 0);
    const shown = [...agvs.values()].filter((agv) => !filter || agv.activity === filter);
    shown.sort((a, b) => severity(a) - severity(b) || (a.id < b.id ? -1 : 1));
    none.hidden = agvs.size > 0;
    keyed(body, shown, (agv) => agv.id, (agv) => makeRow(agv, agv.id === id), updateRow);
    if (id) showDetails(details, agvs.get(id), id);
  });
  draw();
  let changed = false;
  scope.every(TABLE_EVERY_MS, () => {
    if (changed) draw();
    changed = false;
  });
  scope.add(
    draw.cancel,
    agvsChanged.on(() => {
      changed = true;
    }),
  );

  const table = h('table', { class: 'table' }, h('thead', {}, h('tr', {}, COLUMNS.map((key) => h('th', { scope: 'col', class: NUMERIC.has(key) ? 'num' : '', text: t(key) })))), body);
  root.append(
    h('h1', { class: 'visually-hidden', tabindex: -1, text: t('nav.fleet') }),
    h(
      'div',
      { class: 'split fleet fixed-page' },
      h('div', { class: 'column' }, panel({ title: t('floor.title'), className: 'floor-panel', end: fleetCounts(scope) }, plan.element), id && panel({ title: id, className: 'live-part' }, details)),
      panel({ title: t('nav.fleet'), className: 'live-part', end: select }, h('div', { class: 'scroll' }, none, table)),
    ),
  );
}

function makeRow(agv, isChosen) {
  const cell = (className = '') => h('td', { class: className });
  return h(
    'tr',
    { class: isChosen ? 'chosen' : '' },
    h('th', { scope: 'row' }, h('a', { href: href('fleet', agv.id), text: agv.id, 'aria-current': isChosen ? 'true' : null })),
    cell(),
    h('td', { class: 'num' }, h('span', { class: 'bar', 'aria-hidden': 'true' }, h('span')), h('span')),
    cell(),
    cell('tone-defect'),
    cell(),
    cell('num'),
  );
}

function updateRow(row, agv) {
  const [, activity, battery, mode, errors, version, lost] = row.children;
  if (activity.dataset.value !== agv.activity) {
    activity.dataset.value = agv.activity;
    activity.replaceChildren(h('span', { class: `mark ${tone(agv.activity)}` }, icon(agv.activity, tone(agv.activity)), activityName(agv.activity)));
  }
  const [bar, level] = battery.children;
  bar.hidden = agv.battery_percent === null;
  bar.classList.toggle('low', agv.battery_percent < LOW_BATTERY_PERCENT);
  bar.firstChild.style.width = `${agv.battery_percent ?? 0}%`;
  setText(level, agv.battery_percent === null ? '–' : `${number(agv.battery_percent)} %`);
  setText(mode, modeName(agv.operating_mode));
  setText(errors, agv.errors.map(({ type }) => type).join(', '));
  setText(version, agv.version);
  setText(lost, number(agv.lost));
}

function showDetails(element, agv, id) {
  if (!agv) {
    element.replaceChildren(h('p', { class: 'notice', text: t('state.not_found', { what: id }) }));
    return;
  }
  const rows = [
    ['agv.activity', activityName(agv.activity)],
    ['agv.battery', agv.battery_percent === null ? '–' : `${number(agv.battery_percent)} %${agv.charging ? ` · ${t('agv.charging')}` : ''}`],
    ['agv.mode', modeName(agv.operating_mode)],
    ['agv.order', agv.order_id || '–'],
    ['agv.position', agv.x_m === null ? t('agv.no_position') : t('agv.position_value', { x: number(agv.x_m, 1), y: number(agv.y_m, 1) })],
    ['agv.connection', agv.connection],
    ['agv.emergency_stop', agv.emergency_stop],
    ['agv.version', agv.version],
    ['agv.lost', t('agv.lost_of', { lost: number(agv.lost), all: number(agv.messages + agv.lost) })],
    ['agv.time', time(agv.time)],
    ['agv.errors', agv.errors.map((error) => [error.type, error.level, error.description].filter(Boolean).join(' · ')).join('\n') || t('agv.none_errors')],
  ];
  element.replaceChildren(h('dl', { class: 'facts body' }, rows.flatMap(([key, value]) => [h('dt', { text: t(key) }), h('dd', { text: value })])));
}
