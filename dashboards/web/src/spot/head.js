// The top of a spot's page: its name and present state, its rate, and where it is.

import { rateFigure } from '../components/rate.js';
import { h } from '../dom.js';
import { number } from '../format.js';
import { t } from '../i18n.js';
import { back, href } from '../router.js';
import { icon, tone } from '../shapes.js';
import { verdictName } from '../words.js';

/** Make `{head, summary, show(data)}`; Escape leaves. */
export function spotHead(id, scope) {
  const rate = rateFigure({ none: t('headline.none') });
  const state = h('span', { class: 'mark' });
  const facts = h('dl', { class: 'facts across' });
  const leave = () => back(href('overview'));
  const onKey = (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented) leave();
  };
  addEventListener('keydown', onKey);
  scope.add(() => removeEventListener('keydown', onKey));

  return {
    head: h('div', { class: 'page-head' }, h('button', { class: 'button', type: 'button', on: { click: leave } }, icon('back'), ' ', t('spot.back')), h('h1', { tabindex: -1, text: id }), state),
    summary: h('section', { class: 'panel spot-summary wide', 'aria-label': t('spot.rate') }, h('div', {}, h('h2', { class: 'label', text: t('spot.rate') }), rate.figure, rate.doubt), facts),
    show(data) {
      rate.set(data.rate);
      const verdict = data.welds[0]?.verdict ?? '';
      state.className = `mark ${tone(verdict || 'unseen')}`;
      state.replaceChildren(icon(verdict || 'unseen', tone(verdict || 'unseen')), verdictName(verdict));
      const rows = [
        ['spot.line', data.line],
        ['spot.cell', data.cell],
        ['spot.gun', data.gun && h('a', { href: href('guns', data.gun), text: data.gun })],
        ['spot.program', data.streams.map(({ program }) => program).join(', ')],
        ['spot.stack', data.stack],
        ['spot.position', data.x_mm === null ? t('spot.no_position') : t('spot.position_value', { x: number(data.x_mm), y: number(data.y_mm), z: number(data.z_mm) })],
      ];
      facts.replaceChildren(...rows.filter(([, value]) => value).map(([key, value]) => h('div', {}, h('dt', { text: t(key) }), h('dd', {}, value))));
    },
  };
}
