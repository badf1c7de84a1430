import { h } from '../dom.js';
import { t } from '../i18n.js';
import { icon, tone } from '../shapes.js';
import { verdictName } from '../words.js';

/** What the marks mean; `states` as the map shows them. */
export const legend = (states) =>
  h('ul', { class: 'legend', 'aria-label': t('map.legend') }, states.map((state) => h('li', {}, icon(state, tone(state)), verdictName(state === 'unseen' ? '' : state))));
