// What changed and what happened: findings ranked by their evidence, live signals, and every event, an audit record too.

import { get } from '../api.js';
import { followChanges, followSignals } from '../components/findings.js';
import { failed, waiting } from '../components/notice.js';
import { panel } from '../components/panel.js';
import { h, keyed, setText } from '../dom.js';
import { time } from '../format.js';
import { t } from '../i18n.js';
import { SIGNAL_KINDS, signals } from '../live.js';
import { href } from '../router.js';
import { eventName } from '../words.js';

const WINDOWS = ['-1h', '-8h', '-24h', '-7d'];
const RELOAD_EVERY_MS = 30_000;
const EVENTS_EVERY_MS = 5000;
const EVENTS_ASKED = 200;
const SHOWN = 50;
const EVENT_KINDS = [
  'cap_change', 'tip_dress', 'program_change', 'maintenance', 'sheet_change', 'reference_reset', 'reference_pin', 'reference_unpin', 'spot_exclude', 'spot_include',
  'inspection', 'model_activate', 'model_shadow', 'model_retire', ...SIGNAL_KINDS,
];
const COLUMNS = ['weld.time', 'changes.event', 'changes.subject', 'changes.note', 'changes.by'];

export function changesPage(root, scope) {
  root.append(
    h('h1', { class: 'visually-hidden', tabindex: -1, text: t('nav.changes') }),
    h('div', { class: 'split fixed-page' }, h('div', { class: 'column' }, foundPanel(scope), signalsPanel(scope)), eventsPanel(scope)),
  );
}

function foundPanel(scope) {
  const list = h('ul', { class: 'welds' });
  const notice = h('div', {}, waiting());
  const select = h('select', { class: 'field', 'aria-label': t('changes.window'), on: { change: () => void load() } }, WINDOWS.map((value) => h('option', { value, text: t(`changes.window_${value.slice(1)}`), selected: value === '-8h' })));
  const load = followChanges(scope, {
    since: () => select.value,
    list,
    most: SHOWN,
    everyMs: RELOAD_EVERY_MS,
    onState: (items, error) => {
      if (error) notice.replaceChildren(error.status === 404 ? h('p', { class: 'notice', text: t('changes.none') }) : failed(error, { retry: () => void load(), byItself: true }));
      else notice.replaceChildren(...(items.length ? [] : [h('p', { class: 'notice', text: t('changes.none_found') })]));
    },
  });
  return panel({ title: t('changes.found'), className: 'live-part', end: select }, h('div', { class: 'scroll' }, notice, list));
}

function signalsPanel(scope) {
  const list = h('ul', { class: 'welds' });
  const none = h('p', { class: 'notice', text: t('changes.no_signals') });
  const voice = followSignals(scope, { list, most: SHOWN });
  scope.watch(signals, (items) => {
    none.hidden = items.length > 0;
  });
  return panel({ title: t('changes.signals'), className: 'live-part' }, voice, h('div', { class: 'scroll' }, none, list));
}

function eventsPanel(scope) {
  const body = h('tbody');
  const notice = h('div', {}, waiting());
  const kinds = h('select', { class: 'field', 'aria-label': t('changes.kind'), on: { change: () => void load() } }, h('option', { value: '', text: t('changes.all_kinds') }), EVENT_KINDS.map((kind) => h('option', { value: kind, text: eventName(kind) })));
  const head = h('tr', {}, COLUMNS.map((key) => h('th', { scope: 'col', text: t(key) })));
  const abort = new AbortController();

  async function load() {
    const kind = kinds.value;
    let items;
    try {
      items = await get('/events', { limit: EVENTS_ASKED, ...(kind && { kind }) }, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) notice.replaceChildren(failed(error, { retry: () => void load(), byItself: true }));
      return;
    }
    if (kind !== kinds.value) return;
    notice.replaceChildren(...(items.length ? [] : [h('p', { class: 'notice', text: t('changes.no_events') })]));
    keyed(body, items, ({ id }) => id, eventRow);
  }
  scope.add(() => abort.abort());
  scope.every(EVENTS_EVERY_MS, () => !document.hidden && load());
  void load();
  return panel({ title: t('changes.events'), className: 'live-part', end: kinds }, h('div', { class: 'scroll' }, notice, h('table', { class: 'table' }, h('thead', {}, head), body)));
}

function eventRow({ time: at, kind, cell, gun, spot, program, note, by = '' }) {
  const subject = spot ? h('a', { href: href('spots', spot), text: spot }) : gun ? h('a', { href: href('guns', gun), text: gun }) : h('span', { text: cell });
  const row = h('tr', {}, h('td', { text: time(at) }), h('th', { scope: 'row', text: eventName(kind) }), h('td', { class: 'keep' }, subject, program && h('span', { class: 'muted', text: ` ${t('spot.program_of', { program })}` })), h('td', { text: note }), h('td'));
  setText(row.lastChild, by);
  return row;
}
