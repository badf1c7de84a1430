// What came in from whom, what became of it, and what was not taken and why.

import { get, payloadUrl } from '../api.js';
import { failed, waiting } from '../components/notice.js';
import { panel } from '../components/panel.js';
import { accountLine, collectorLine, exceptionsFirst, sourceCounts, sourceState, sourceTrouble } from '../components/sources.js';
import { batched, h, keyed, setText } from '../dom.js';
import { number, time } from '../format.js';
import { t } from '../i18n.js';
import { loading, reload, sources } from '../live.js';

const TERMS = ['received', 'stored', 'rejected', 'duplicate', 'pending'];
const REJECTS_PAGE = 50;
const REJECTS_EVERY_MS = 5000;

export function sourcesPage(root, scope) {
  root.append(h('h1', { class: 'visually-hidden', tabindex: -1, text: t('nav.sources') }), h('div', { class: 'rows fixed-page' }, accountPanel(scope), tablePanel(scope), rejectsPanel(scope)));
}

function accountPanel(scope) {
  const line = h('div', { class: 'body' });
  scope.watch(sources, (value) => value && line.replaceChildren(accountLine(value.account), collectorLine(value.collector)));
  return panel({ title: t('account.title'), className: 'live-part', end: h('span', { class: 'muted small', text: t('account.sentence') }) }, line);
}

function tablePanel(scope) {
  const counts = h('span', { class: 'legend' });
  const notice = h('div');
  const body = h('tbody');
  const numeric = (name) => h('th', { scope: 'col', class: 'num', text: t(`account.${name}`) });
  const head = h('tr', {}, h('th', { scope: 'col', text: t('account.source') }), h('th', { scope: 'col', text: t('account.state') }), TERMS.map(numeric), numeric('last'), numeric('clock'));
  const draw = batched(() => {
    const items = sources.value?.items ?? [];
    counts.replaceChildren(...sourceCounts(items));
    if (loading.value.state === 'error') notice.replaceChildren(failed(loading.value.error, { retry: reload, byItself: true }));
    else if (!sources.value) notice.replaceChildren(waiting());
    else notice.replaceChildren(...(items.length ? [] : [h('p', { class: 'notice', text: t('sources.none') })]));
    keyed(body, exceptionsFirst(items), ({ source }) => source, makeSource, updateSource);
  });
  scope.watch(sources, draw);
  scope.add(loading.on(draw), draw.cancel);
  return panel({ title: t('sources.title'), className: 'live-part', end: counts }, h('div', { class: 'scroll' }, notice, h('table', { class: 'table' }, h('thead', {}, head), body)));
}

const makeSource = ({ source }) => h('tr', {}, h('th', { scope: 'row', text: source }), h('td'), Array.from({ length: TERMS.length + 2 }, () => h('td', { class: 'num' })));

function updateSource(row, item) {
  const [, state, ...cells] = row.children;
  const trouble = sourceTrouble(item);
  if (state.dataset.value !== item.state + trouble) {
    state.dataset.value = item.state + trouble;
    state.replaceChildren(sourceState(item.state), ' ', h('span', { class: 'muted', text: trouble }));
  }
  const offset = item.clock_offset_ms;
  const texts = [...TERMS.map((name) => number(item[name])), time(item.last_received), offset === null ? '–' : t('account.clock_value', { ms: number(offset) })];
  for (const [k, text] of texts.entries()) setText(cells[k], text);
}

function rejectsPanel(scope) {
  const notice = h('div', {}, waiting());
  const body = h('tbody');
  const columns = ['weld.time', 'account.source', 'rejects.where', 'rejects.reason', 'rejects.came', 'rejects.expected', 'rejects.payload'];
  const older = h('button', { class: 'button', type: 'button', text: t('rejects.older'), hidden: true, on: { click: () => load(next) } });
  const table = h('table', { class: 'table' }, h('thead', {}, h('tr', {}, columns.map((key) => h('th', { scope: 'col', text: t(key) })))), body);
  const abort = new AbortController();
  const items = new Map();
  let next = null;

  async function load(cursor = null) {
    try {
      const page = await get('/rejects', { limit: REJECTS_PAGE, ...(cursor && { cursor }) }, abort.signal);
      const first = items.size === 0;
      for (const item of page.items) items.set(`${item.seq}/${item.item}`, item);
      if (cursor || first) next = page.next;
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!items.size) notice.replaceChildren(failed(error, { retry: () => load() }));
      return;
    }
    const sorted = [...items.values()].sort((a, b) => b.seq - a.seq || b.item - a.item);
    notice.replaceChildren(...(sorted.length ? [] : [h('p', { class: 'notice', text: t('rejects.none') })]));
    table.hidden = sorted.length === 0;
    older.hidden = next === null;
    keyed(body, sorted, (item) => `${item.seq}/${item.item}`, rejectRow);
  }
  scope.add(() => abort.abort());
  scope.every(REJECTS_EVERY_MS, () => !document.hidden && load());
  void load();
  return panel({ title: t('rejects.title') }, h('div', { class: 'scroll' }, notice, table, h('p', { class: 'notice' }, older)));
}

const rejectRow = (item) =>
  h(
    'tr',
    {},
    h('td', { text: time(item.received) }),
    h('th', { scope: 'row', text: item.source, title: item.topic }),
    h('td', {}, h('code', { text: item.path || item.topic })),
    h('td', { text: item.reason }),
    h('td', {}, h('code', { text: item.came })),
    h('td', { text: item.expected }),
    h('td', {}, h('a', { href: payloadUrl(item.seq), download: `reject-${item.seq}.bin`, 'aria-label': t('rejects.download_label', { seq: item.seq }), text: t('rejects.download', { bytes: number(item.bytes) }) })),
  );
