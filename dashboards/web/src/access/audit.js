import { get } from '../api.js';
import { failed, waiting } from '../components/notice.js';
import { panel } from '../components/panel.js';
import { h } from '../dom.js';
import { time } from '../format.js';
import { t } from '../i18n.js';

const PAGE = 50;
const COLUMNS = ['access.when', 'access.who', 'access.from', 'access.what', 'access.whom', 'access.outcome'];

/** The audit log, newest first: `{element, reload}`. */
export function auditPanel(scope) {
  const notice = h('div', {}, waiting());
  const body = h('tbody');
  const more = h('button', { class: 'button', type: 'button', hidden: true, text: t('access.older'), on: { click: () => void load(next) } });
  const table = h('table', { class: 'table', hidden: true }, h('thead', {}, h('tr', {}, COLUMNS.map((key) => h('th', { scope: 'col', text: t(key) })))), body);
  const abort = new AbortController();
  let next = null;
  scope.add(() => abort.abort());

  async function load(cursor) {
    let page;
    try {
      page = await get('/audit', { limit: PAGE, ...(cursor && { cursor }) }, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) notice.replaceChildren(failed(error, { retry: () => void load(cursor) }));
      return;
    }
    notice.replaceChildren();
    table.hidden = false;
    next = page.next;
    more.hidden = next === null;
    const rows = page.items.map(deedRow);
    if (cursor) body.append(...rows);
    else body.replaceChildren(...rows);
  }

  void load(null);
  const element = panel({ title: t('access.audit'), end: h('a', { class: 'small', href: '/api/v1/audit?limit=1000', download: 'audit.json', text: t('access.download') }) }, notice, h('div', { class: 'scroll-x' }, table), h('p', { class: 'body' }, more));
  return { element, reload: () => void load(null) };
}

function deedRow({ time: at, kind, name, role, address, action, subject, outcome }) {
  const who = kind === 'user' || kind === 'token' ? `${name} (${kind === 'token' ? t('access.kind_token') : t(`role.${role}`)})` : [t(`access.kind_${kind}`), name].filter(Boolean).join(' ');
  const good = outcome === 'done' || outcome.startsWith('2');
  return h('tr', {}, h('th', { scope: 'row' }, h('time', { datetime: at, text: time(at) })), [who, address || '–', action, subject || '–'].map((text) => h('td', { text })), h('td', { class: good ? '' : 'tone-defect', text: outcome }));
}
