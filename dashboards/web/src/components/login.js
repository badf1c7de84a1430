// The login: alone on the page at first, over the page when a session has ended, so that nothing beneath is lost.

import { h, setText } from '../dom.js';
import { language, t } from '../i18n.js';
import { field } from './dialog.js';
import { languageSelect } from './language.js';
import { trouble } from './notice.js';

/**
 * Ask for name and password until `send({name, password})` resolves, and return what it resolved with.
 * `ended`: a session has ended; `name`: whose it was.
 */
export function askLogin({ ended, name, send }) {
  return new Promise((resolve) => {
    const dialog = h('dialog', { class: 'login', 'aria-labelledby': 'login-title', closedby: 'none' });
    const values = { name, password: '' };
    let undo = () => {};
    const draw = () => {
      if (!ended) document.documentElement.lang = language.value;
      document.title = t('app.title', { page: t('login.title') });
      dialog.replaceChildren(form({ ended, values, send, done }));
      dialog.querySelector(values.name ? '[name=password]' : '[name=name]').focus();
    };
    const title = document.title;
    function done(who) {
      undo();
      dialog.close();
      dialog.remove();
      document.title = title;
      resolve(who);
    }
    // It cannot be left but by logging in, and Escape must not act on the page beneath.
    dialog.addEventListener('cancel', (event) => event.preventDefault());
    dialog.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      event.stopPropagation();
    });
    document.body.append(dialog);
    dialog.showModal();
    draw();
    // The page beneath is built anew in another language, and would take this dialog with it: then it stays as it is.
    if (!ended) undo = language.on(draw);
  });
}

function form({ ended, values, send, done }) {
  const refusal = h('p', { id: 'login-trouble', class: 'tone-defect', role: 'alert', hidden: true });
  const input = (name, type, autocomplete) =>
    h('input', { class: 'field', name, type, autocomplete, required: true, maxlength: name === 'name' ? 64 : 256, autocapitalize: 'none', spellcheck: 'false', 'aria-describedby': 'login-trouble', value: values[name], on: { input: ({ target }) => (values[name] = target.value) } });
  const user = input('name', 'text', 'username');
  const password = input('password', 'password', 'current-password');
  const go = h('button', { class: 'button primary', type: 'submit', text: t('login.go') });

  async function submit(event) {
    event.preventDefault();
    refusal.hidden = true;
    go.disabled = true;
    try {
      done(await send({ ...values }));
    } catch (error) {
      setText(refusal, said(error));
      refusal.hidden = false;
      go.disabled = false;
      user.setAttribute('aria-invalid', error.status === 401);
      password.setAttribute('aria-invalid', error.status === 401);
      password.focus();
      password.select();
    }
  }

  return h(
    'form',
    { on: { submit } },
    h('header', {}, h('img', { src: '/icon.svg', alt: '' }), h('h1', { id: 'login-title', text: t('login.title') }), !ended && languageSelect()),
    ended && h('p', { class: 'muted', text: t('login.ended') }),
    field(t('login.name'), user),
    field(t('login.password'), password),
    refusal,
    h('div', { class: 'form-end' }, go),
  );
}

/** What went wrong, in the viewer's language where it is known. */
function said(error) {
  if (error.status === 401) return t('login.wrong');
  if (error.status === 429) return t('login.too_many');
  return trouble(error);
}
