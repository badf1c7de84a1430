// What stands where data will be: loading, an error with a retry, nothing there, and what an integrator does first.

import { h } from '../dom.js';
import { has, t } from '../i18n.js';

/** What is not accepted, said in the viewer's language. */
export class Refusal extends Error {}

/** What went wrong (an ApiError) in the viewer's language, then the server's own words; or what a Refusal says. */
export function trouble(error) {
  if (error instanceof Refusal) return error.message;
  if (!error.status) return t('state.error');
  const kind = has(`problem.${error.status}`) ? error.status : 'other';
  return t(`problem.${kind}`, { detail: error.message });
}

export const waiting = () => h('p', { class: 'notice', role: 'status', text: t('state.loading') });

/** Say what went wrong (an ApiError); `retry` is offered, and whether the page tries by itself is said. */
export function failed(error, { retry, byItself = false }) {
  return h(
    'div',
    { class: 'notice', role: 'alert' },
    h('p', { text: trouble(error) }),
    byItself && h('p', { class: 'small', text: t('state.retrying') }),
    h('p', {}, h('button', { class: 'button', type: 'button', text: t('state.retry'), on: { click: retry } })),
  );
}

/** Nothing has ever been received: how to begin. */
export function firstSteps() {
  const step = (key, values = {}) => h('li', {}, withCode(t(key, { topic: '\u0001', command: '\u0001' }), values));
  return h(
    'section',
    { class: 'panel first-steps' },
    h(
      'div',
      { class: 'notice guide' },
      h('h2', { text: t('empty.title') }),
      h('p', { text: t('empty.intro') }),
      h(
        'ol',
        {},
        step('empty.step_topic', { code: 'lineside/v1/<site>/<area>/<line>/<cell>/weld' }),
        step('empty.step_check', { code: 'lineside check' }),
        step('empty.step_sources'),
      ),
    ),
  );
}

function withCode(text, { code }) {
  const [before, after] = text.split('\u0001');
  return after === undefined ? [before] : [before, h('code', { text: code }), after];
}
