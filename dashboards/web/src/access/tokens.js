import { del, post, segment } from '../api.js';
import { ask, field } from '../components/dialog.js';
import { panel } from '../components/panel.js';
import { h } from '../dom.js';
import { time } from '../format.js';
import { t } from '../i18n.js';
import { act, loadedTable, roleSelect } from './rows.js';

const COLUMNS = ['access.name', 'access.role', 'access.created', 'access.expires', 'access.last_used', 'access.acts'];

/** The tokens of machines; `onChange` is called after each change. */
export function tokensPanel(scope, onChange) {
  const list = loadedTable(scope, { path: '/tokens', columns: COLUMNS, none: 'access.no_tokens', row });
  const made = h('div', { class: 'body', role: 'status', hidden: true });
  const changed = () => {
    void list.load();
    onChange();
  };

  function row({ name, role, created, expires, last_used: used }) {
    const remove = act(t('access.remove'), name, () => ask({ title: t('access.remove_token', { name }), text: t('access.remove_token_text'), fields: [], confirm: t('access.remove'), send: async () => changed(await del(`/tokens/${segment(name)}`)) }));
    return [h('th', { scope: 'row', text: name }), h('td', { text: t(`role.${role}`) }), h('td', { text: time(created) }), h('td', { text: expires ? time(expires) : t('access.never') }), h('td', { text: used ? time(used) : '–' }), h('td', {}, remove)];
  }

  function show({ name, token }) {
    const text = h('code', { class: 'secret', text: token });
    const copy = h('button', { class: 'button', type: 'button', text: t('access.copy'), on: { click: () => void navigator.clipboard.writeText(token).then(() => (copy.textContent = t('access.copied'))) } });
    // The clipboard is there only where the connection is trusted; the text can be marked by hand anywhere.
    copy.hidden = !navigator.clipboard;
    const hide = h('button', { class: 'button', type: 'button', text: t('access.hide'), on: { click: () => ((made.hidden = true), made.replaceChildren()) } });
    made.replaceChildren(h('p', { text: t('access.token_once', { name }) }), h('p', { class: 'acts' }, text, copy, hide));
    made.hidden = false;
  }

  const add = () =>
    ask({
      title: t('access.add_token'),
      text: t('access.token_text'),
      fields: [field(t('access.token_name'), h('input', { class: 'field', name: 'name', required: true, maxlength: 64, autocomplete: 'off' })), field(t('access.role'), roleSelect()), field(t('access.days'), h('input', { class: 'field', name: 'days', type: 'number', min: 1, max: 3650, step: 1, value: 365 }))],
      confirm: t('access.add_token'),
      send: async ({ name, role, days }) => {
        show(await post('/tokens', { name, role, days: days ? Number(days) : null }));
        changed();
      },
    });
  return panel({ title: t('access.tokens'), end: h('button', { class: 'button', type: 'button', text: t('access.add_token'), on: { click: add } }) }, made, list.content);
}
