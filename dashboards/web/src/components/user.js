// The viewer's own corner of the header: name and role, password, logout, and for administrators the way to users.

import { h, setText } from '../dom.js';
import { t } from '../i18n.js';
import { href } from '../router.js';
import { may, session } from '../session.js';
import { icon } from '../shapes.js';
import { changePassword, logout } from '../signing.js';
import { ask, field } from './dialog.js';
import { Refusal } from './notice.js';

/** A new password, typed twice. */
export const passwordFields = () => [
  field(t('user.new_password'), h('input', { class: 'field', name: 'password', type: 'password', autocomplete: 'new-password', required: true, minlength: 15, maxlength: 256 })),
  field(t('user.repeat_password'), h('input', { class: 'field', name: 'repeated', type: 'password', autocomplete: 'new-password', required: true, maxlength: 256 })),
];

/** Throw what `ask` shows when the two differ. */
export function checkRepeated({ password, repeated }) {
  if (password !== repeated) throw new Refusal(t('user.differ'));
}

/** The button and its menu; nothing while nobody needs to log in. */
export function userMenu(scope) {
  const name = h('span');
  const role = h('p', { class: 'muted small' });
  const access = h('a', { class: 'button quiet', href: href('access'), text: t('nav.access') });
  const item = (text, action) => h('button', { class: 'button quiet', type: 'button', text, on: { click: () => (menu.hidePopover(), action()) } });
  const menu = h('div', { class: 'user-menu', id: 'user-menu', popover: 'auto' }, role, access, item(t('user.change_password'), askPassword), item(t('user.logout'), () => void logout()));
  const button = h('button', { class: 'button user', type: 'button', popovertarget: 'user-menu' }, icon('person'), name);
  access.addEventListener('click', () => menu.hidePopover());
  menu.addEventListener('beforetoggle', () => {
    menu.style.top = `${button.getBoundingClientRect().bottom + 4}px`; // the header may have wrapped
  });
  const element = h('div', { class: 'user-corner' });
  scope.watch(session, (who) => {
    element.hidden = who?.kind !== 'user';
    element.replaceChildren(...(element.hidden ? [] : [button, menu]));
    if (element.hidden) return;
    access.hidden = !may('administrator');
    setText(name, who.name);
    setText(role, t(`role.${who.role}`));
    button.setAttribute('aria-label', t('user.menu', { name: who.name }));
  });
  return element;
}

function askPassword() {
  ask({
    title: t('user.change_password'),
    text: t('user.password_text'),
    fields: [field(t('user.old_password'), h('input', { class: 'field', name: 'old', type: 'password', autocomplete: 'current-password', required: true, maxlength: 256 })), ...passwordFields()],
    confirm: t('user.change_password'),
    send: async (values) => {
      checkRepeated(values);
      await changePassword({ old: values.old, new: values.password }).catch((error) => {
        throw error.problem?.field === 'old' ? new Refusal(t('user.old_wrong')) : error;
      });
    },
  });
}
