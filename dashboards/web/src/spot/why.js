// Why the chosen weld got its verdict: the sentence, the causes with their scores, and what the judge did without.

import { panel } from '../components/panel.js';
import { h, setText } from '../dom.js';
import { number, time } from '../format.js';
import { t } from '../i18n.js';
import { may } from '../session.js';
import { icon, tone } from '../shapes.js';
import { causeShort, channelName, sentence, verdictName } from '../words.js';

const CAUSES_SHOWN = 5;
const LEAST_SCORE = 0.005;

/** Make the panel; `show(weld)` takes a WeldDetail, `onInspect(weld)` records a test of it. */
export function whyPanel({ onInspect }) {
  const verdict = h('p', { class: 'mark verdict-line' });
  const when = h('span', { class: 'muted small' });
  const words = h('p', { class: 'why-sentence' });
  const facts = h('dl', { class: 'facts' });
  const causes = h('ol', { class: 'causes' });
  const causesTitle = h('h3', { text: t('why.causes') });
  let shown = null;
  const inspect = may('engineer') && h('button', { class: 'button', type: 'button', text: t('why.inspect'), on: { click: () => onInspect(shown) } });
  const element = panel({ title: t('why.title'), className: 'why-panel', end: when }, h('div', { class: 'body' }, verdict, words, facts, causesTitle, causes, inspect && h('p', {}, inspect)));
  element.hidden = true;

  return {
    element,
    show(weld) {
      element.hidden = !weld;
      if (!weld) return;
      shown = weld;
      setText(when, time(weld.time));
      verdict.className = `mark verdict-line ${tone(weld.verdict)}`;
      verdict.replaceChildren(icon(weld.verdict, tone(weld.verdict)), weld.cause ? causeShort(weld.cause) : verdictName(weld.verdict));
      setText(words, sentence(weld));
      facts.replaceChildren(...factsOf(weld).flatMap(([key, value]) => [h('dt', { text: t(key) }), h('dd', { text: value })]));
      const ranked = Object.entries(weld.cause_scores ?? {})
        .filter(([, score]) => score >= LEAST_SCORE)
        .sort(([, a], [, b]) => b - a)
        .slice(0, CAUSES_SHOWN);
      causesTitle.hidden = causes.hidden = ranked.length === 0;
      causes.replaceChildren(...ranked.map((entry) => causeRow(...entry, weld.cause)));
    },
  };
}

function factsOf(weld) {
  const rows = [];
  if (weld.risk !== undefined && weld.risk !== null) rows.push(['why.risk', percentOf(weld.risk)]);
  if (weld.shadow_risk !== undefined && weld.shadow_risk !== null) rows.push(['why.shadow_risk', percentOf(weld.shadow_risk)]);
  if (weld.lacks?.length) rows.push(['why.lacks', weld.lacks.map(channelName).join(', ')]);
  if (weld.body) rows.push(['weld.body', weld.body]);
  if (weld.wear_count !== null) rows.push(['why.wear_count', number(weld.wear_count)]);
  return rows;
}

const percentOf = (share) => t('why.percent', { value: number(100 * share, share < 0.1 ? 1 : 0) });

function causeRow(cause, score, chosen) {
  const bar = h('span', { class: 'score-bar', 'aria-hidden': 'true' }, h('span'));
  bar.firstChild.style.width = `${100 * score}%`;
  return h('li', { class: cause === chosen ? 'chosen' : '' }, h('span', { text: cause === 'ok' ? verdictName('ok') : causeShort(cause) }), bar, h('span', { class: 'num', text: percentOf(score) }));
}
