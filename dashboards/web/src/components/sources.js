// How every source does: counts by state, exceptions first, and whether the account adds up.

import { h } from '../dom.js';
import { number, time } from '../format.js';
import { t } from '../i18n.js';
import { icon, tone } from '../shapes.js';
import { sourceStateName } from '../words.js';

const STATES = ['live', 'silent', 'clock_off'];

/** Exceptions first, then by name. */
export const exceptionsFirst = (items) => [...items].sort((a, b) => STATES.indexOf(b.state) - STATES.indexOf(a.state) || (a.source < b.source ? -1 : 1));

export const sourceState = (state) => h('span', { class: `mark ${tone(state)}` }, icon(state, tone(state)), sourceStateName(state));

/** What is the matter with a source, in words; '' when nothing. */
export function sourceTrouble({ state, clock_offset_ms: offset, last_received: last }) {
  if (state === 'clock_off') return t('sources.clock_off', { s: number(offset / 1000, 1) });
  return state === 'silent' ? t('sources.silent', { time: time(last) }) : '';
}

/** Counts by state; states without a source are left out. */
export function sourceCounts(items) {
  const counted = STATES.map((state) => [state, items.filter((item) => item.state === state).length]).filter(([, n]) => n);
  return counted.map(([state, n]) => h('span', { class: 'mark count' }, icon(state, tone(state)), h('strong', { text: number(n) }), h('span', { class: 'muted', text: sourceStateName(state) })));
}

/** The account as an equation, with a sign that says whether it holds. */
export function accountLine(account) {
  const { received, stored, rejected, duplicate, pending } = account;
  const holds = received === stored + rejected + duplicate + pending;
  const term = (name) => h('span', { class: 'term' }, h('span', { class: 'muted', text: `${t(`account.${name}`)} ` }), h('b', { text: number(account[name]) }));
  const sign = (text) => h('span', { class: 'muted', 'aria-hidden': 'true', text });
  return h(
    'p',
    { class: 'account', title: t('account.sentence') },
    term('received'),
    sign('='),
    ['stored', 'rejected', 'duplicate', 'pending'].flatMap((name, k) => (k ? [sign('+'), term(name)] : [term(name)])),
    h('span', { class: `verdict ${holds ? 'tone-ok' : 'tone-defect'}` }, icon(holds ? 'check' : 'error'), holds ? t('account.holds') : t('account.broken')),
  );
}

/** Whether the collector receives, and if not, since when and why; nothing where there is none. */
export function collectorLine(collector) {
  if (!collector) return '';
  const { state, since, reason, dropped_qos0: dropped } = collector;
  const good = state === 'receiving';
  const mark = h('span', { class: `mark ${good ? 'tone-ok' : 'tone-defect'}` }, icon(good ? 'check' : 'error'), t(`collector.${state}`));
  const told = [since && !good && t('sources.silent', { time: time(since) }), reason, dropped > 0 && t('collector.dropped', { n: number(dropped) })];
  return h('p', { class: 'collector' }, mark, ' ', h('span', { class: 'muted', text: told.filter(Boolean).join('; ') }));
}
