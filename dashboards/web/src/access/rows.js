// A list that is loaded, shown as a table, and loaded again after each change.

import { get } from '../api.js';
import { failed, waiting } from '../components/notice.js';
import { h } from '../dom.js';
import { t } from '../i18n.js';

export const ROLES = ['viewer', 'engineer', 'administrator'];

/** The choice of a role. */
export const roleSelect = (chosen = 'viewer') => h('select', { class: 'field', name: 'role' }, ROLES.map((role) => h('option', { value: role, text: t(`role.${role}`), selected: role === chosen })));

/** Make `{content, load}` for `path`: one row of cells per item by `row`, under the texts of `columns`. */
export function loadedTable(scope, { path, columns, none, row }) {
  const notice = h('div', {}, waiting());
  const body = h('tbody');
  const table = h('table', { class: 'table', hidden: true }, h('thead', {}, h('tr', {}, columns.map((key) => h('th', { scope: 'col', text: t(key) })))), body);
  const abort = new AbortController();
  scope.add(() => abort.abort());
  async function load() {
    let items;
    try {
      items = await get(path, {}, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) notice.replaceChildren(failed(error, { retry: () => void load() }));
      return;
    }
    notice.replaceChildren(...(items.length ? [] : [h('p', { class: 'notice', text: t(none) })]));
    table.hidden = items.length === 0;
    body.replaceChildren(...items.map((item) => h('tr', {}, row(item))));
  }
  void load();
  return { content: h('div', {}, notice, h('div', { class: 'scroll-x' }, table)), load };
}

/** A button of a row; `whose` is said to those who hear the page. */
export const act = (text, whose, action) => h('button', { class: 'button', type: 'button', text, 'aria-label': `${text}: ${whose}`, on: { click: action } });
