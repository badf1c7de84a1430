// Welds as rows: when, where, what, and why in a sentence.

import { h, setText } from '../dom.js';
import { number, time } from '../format.js';
import { t } from '../i18n.js';
import { weldHref } from '../router.js';
import { icon, tone } from '../shapes.js';
import { causeShort, sentence, verdictName } from '../words.js';

/** A row's content. `spot`: name the spot (lists of many spots do). `extra`: what stands before the time. */
function content(weld, { spot, extra = null }) {
  const { verdict, cause, score } = weld;
  const what = cause ? causeShort(cause) : verdictName(verdict);
  return [
    icon(verdict, tone(verdict)),
    h(
      'span',
      { class: 'head' },
      spot && h('span', { text: weld.spot }),
      h('span', { class: tone(verdict), text: what }),
      score !== null && h('span', { class: 'muted', text: t('weld.score', { z: number(score, 1) }) }),
      spot && h('span', { class: 'muted', text: weld.cell }),
      weld.late && h('span', { class: 'muted', text: t('weld.late') }),
      weld.new_spot && h('span', { class: 'muted', text: t('weld.new_spot') }),
      extra && h('span', { class: 'muted', text: extra }),
    ),
    h('time', { class: 'when', datetime: weld.time, text: time(weld.time) }),
    h('span', { class: 'why', text: sentence(weld) }),
  ];
}

/** A row that leads to the weld on its spot's page. */
export const spotRow = (weld, { fresh = false } = {}) =>
  h('li', { class: fresh ? 'fresh' : '', 'data-weld': weld.id }, h('a', { class: 'row', href: weldHref(weld) }, content(weld, { spot: true })));

/** A row that is pressed to choose the weld; `extra` is said beside it. */
export function choiceRow(weld, { onChoose, extra }) {
  const button = h('button', { class: 'row', type: 'button', 'aria-pressed': 'false', on: { click: () => onChoose(weld.id) } }, content(weld, { spot: false, extra }));
  return h('li', { 'data-weld': weld.id }, button);
}

/** Say to screen readers what is new, at most once in `everyMs`. */
export function announcer(everyMs) {
  const element = h('p', { class: 'visually-hidden', 'aria-live': 'polite' });
  let waiting = [];
  let timer = 0;
  const say = () => {
    timer = 0;
    if (!waiting.length) return;
    const { spot, cause } = waiting.at(-1);
    const values = { n: number(waiting.length), spot, cause: causeShort(cause) };
    setText(element, waiting.length === 1 ? t('defects.announce_one', values) : t('defects.announce_many', values));
    waiting = [];
    timer = setTimeout(say, everyMs);
  };
  return {
    element,
    add(welds) {
      waiting.push(...welds);
      if (!timer) say();
    },
    close: () => clearTimeout(timer),
  };
}
