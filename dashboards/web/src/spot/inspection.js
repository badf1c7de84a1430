// Record what a destructive or ultrasonic test of a weld found: labels are what a model learns from.

import { post } from '../api.js';
import { ask, field, nameField, noteField } from '../components/dialog.js';
import { h } from '../dom.js';
import { time } from '../format.js';
import { t } from '../i18n.js';
import { methodName, resultName } from '../words.js';

const RESULTS = ['ok', 'stick', 'undersize', 'expulsion', 'no_weld', 'other'];
const METHODS = ['chisel', 'peel', 'cross_section', 'ultrasonic', 'visual'];

const options = (names, word) => names.map((name) => h('option', { value: name, text: word(name) }));

/** Ask for the result of a test of `weld`; `onDone(event)` is called with the id of the event that carries it. */
export function recordInspection(weld, onDone) {
  ask({
    title: t('inspection.title'),
    text: t('inspection.of', { weld: weld.id, time: time(weld.time) }),
    fields: [
      field(t('inspection.result'), h('select', { class: 'field', name: 'result', required: true }, options(RESULTS, resultName))),
      field(t('inspection.method'), h('select', { class: 'field', name: 'method' }, options(METHODS, methodName))),
      field(t('inspection.nugget'), h('input', { class: 'field', name: 'nugget_mm', type: 'number', min: 0.1, max: 30, step: 0.01, inputmode: 'decimal' })),
      noteField(),
      nameField(),
    ],
    confirm: t('inspection.save'),
    send: async ({ result, method, nugget_mm: nugget, note, by }) => {
      const { items } = await post('/inspections', { weld: weld.id, result, method, by, ...(nugget && { nugget_mm: Number(nugget) }), ...(note && { note }) });
      onDone(items[0].event);
    },
  });
}
