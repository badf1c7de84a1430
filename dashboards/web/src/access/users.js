import { del, post, segment } from '../api.js';
import { ask, field } from '../components/dialog.js';
import { panel } from '../components/panel.js';
import { checkRepeated, passwordFields } from '../components/user.js';
import { h } from '../dom.js';
import { number, time } from '../format.js';
import { t } from '../i18n.js';
import { act, loadedTable, roleSelect } from './rows.js';

const COLUMNS = ['access.name', 'access.role', 'access.last_login', 'access.sessions', 'access.acts'];

/** The users; `onChange` is called after each change. */
export function usersPanel(scope, onChange) {
  const list = loadedTable(scope, { path: '/users', columns: COLUMNS, none: 'access.no_users', row });
  const changed = () => {
    void list.load();
    onChange();
  };

  function row({ name, role, last_login: last, sessions }) {
    const at = `/users/${segment(name)}`;
    const acts = [
      act(t('access.change_role'), name, () =>
        ask({ title: t('access.role_title', { name }), text: t('access.ends_sessions'), fields: [field(t('access.role'), roleSelect(role))], confirm: t('access.change_role'), send: async (values) => changed(await post(`${at}/role`, { role: values.role })) }),
      ),
      act(t('access.set_password'), name, () =>
        ask({
          title: t('access.password_title', { name }),
          text: t('access.ends_sessions'),
          fields: passwordFields(),
          confirm: t('access.set_password'),
          send: async (values) => {
            checkRepeated(values);
            changed(await post(`${at}/password`, { password: values.password }));
          },
        }),
      ),
      act(t('access.remove'), name, () => ask({ title: t('access.remove_user', { name }), text: t('access.ends_sessions'), fields: [], confirm: t('access.remove'), send: async () => changed(await del(at)) })),
    ];
    return [h('th', { scope: 'row', text: name }), h('td', { text: t(`role.${role}`) }), h('td', { text: last ? time(last) : '–' }), h('td', { text: number(sessions) }), h('td', {}, h('span', { class: 'acts' }, acts))];
  }

  const add = () =>
    ask({
      title: t('access.add_user'),
      text: t('access.password_rule'),
      fields: [field(t('access.name'), h('input', { class: 'field', name: 'name', required: true, maxlength: 64, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' })), field(t('access.role'), roleSelect()), ...passwordFields()],
      confirm: t('access.add_user'),
      send: async (values) => {
        checkRepeated(values);
        changed(await post('/users', { name: values.name, role: values.role, password: values.password }));
      },
    });
  return panel({ title: t('access.users'), end: h('button', { class: 'button', type: 'button', text: t('access.add_user'), on: { click: add } }) }, list.content);
}
