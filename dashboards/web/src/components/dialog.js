// A question with fields, asked in a modal dialog: what will be done, by whom, and why.

import { h } from '../dom.js';
import { t } from '../i18n.js';
import { isNamed } from '../session.js';
import { trouble } from './notice.js';

const NAME_KEY = 'lineside.name';

/** The viewer's name, as it was given last: an audit record needs one. */
export const ownName = () => localStorage.getItem(NAME_KEY) ?? '';

/** A labelled control. `control` is an input, select or textarea with a name. */
export const field = (label, control) => h('label', { class: 'form-field' }, h('span', { text: label }), control);

/** The field for the viewer's name; a server with logins knows it. */
export const nameField = () => !isNamed() && field(t('ask.name'), h('input', { class: 'field', name: 'by', required: true, maxlength: 100, autocomplete: 'name', value: ownName() }));

/** The field for a note, or for the reason that an act must give. */
export const noteField = (required = false) => field(required ? t('ask.reason') : t('ask.note'), h('textarea', { class: 'field', name: 'note', rows: 2, maxlength: 500, required }));

/**
 * Ask. `send(values)` does it: the dialog closes when it resolves, and says what its ApiError says when it rejects.
 * Returns at once; the dialog removes itself.
 */
export function ask({ title, text, fields, confirm, send }) {
  const refusal = h('p', { class: 'tone-defect', role: 'alert', hidden: true });
  const go = h('button', { class: 'button primary', type: 'submit', text: confirm });
  const form = h(
    'form',
    { method: 'dialog' },
    h('h2', { id: 'ask-title', text: title }),
    text && h('p', { class: 'muted', text }),
    fields,
    refusal,
    h('div', { class: 'form-end' }, h('button', { class: 'button', type: 'button', text: t('ask.cancel'), on: { click: () => dialog.close() } }), go),
  );
  const dialog = h('dialog', { class: 'ask', 'aria-labelledby': 'ask-title', on: { close: () => dialog.remove() } }, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    if (values.by) localStorage.setItem(NAME_KEY, values.by);
    refusal.hidden = true;
    go.disabled = true;
    try {
      await send(values);
      dialog.close();
    } catch (error) {
      refusal.textContent = trouble(error);
      refusal.hidden = false;
    } finally {
      go.disabled = false;
    }
  });
  // Escape closes the dialog; it must not also leave the page beneath.
  dialog.addEventListener('keydown', (event) => event.key === 'Escape' && event.stopPropagation());
  document.body.append(dialog);
  dialog.showModal();
}
