// What Lineside noticed: changes of a rate or a feature with their likeliest cause, and live signals, each in a sentence.

import { get } from '../api.js';
import { h, keyed, setText } from '../dom.js';
import { ago, minute, number, percent, time } from '../format.js';
import { t } from '../i18n.js';
import { signals, signalsNew } from '../live.js';
import { href } from '../router.js';
import { icon, tone } from '../shapes.js';
import { causeShort, eventName, featureName, groupName } from '../words.js';

const WORSE = 0.5; // sigmas beyond which a moved feature is drawn as a warning

/** Where a finding leads: its gun or spot, else the page of all of them. */
const pageOf = (by, name) => (by === 'gun' ? href('guns', name) : by === 'spot' ? href('spots', name) : href('changes'));

const who = ({ by, name }) => (by === 'plant' ? t('group.plant') : t('changes.who', { group: groupName(by), name }));

/** A ChangeOut in words: what fell or moved, since when, how much of it, and what else happened then. */
export function changeSentence(change) {
  const [subject, at] = [who(change), minute(change.time)];
  const what =
    change.kind === 'defect_rate'
      ? t(change.change > 0 ? 'changes.rate_rose' : 'changes.rate_fell', { who: subject, time: at, before: percent(change.before, 2), after: percent(change.after, 2) })
      : t('changes.feature_moved', { who: subject, time: at, feature: featureName(change.feature), change: `${change.change < 0 ? '−' : '+'}${number(Math.abs(change.change), 1)}`, spots: number(change.spots_changed) });
  const ofPlant = change.change > 0 ? 'changes.share' : 'changes.share_fewer';
  const share = change.share === null || change.by === 'plant' ? '' : t(ofPlant, { share: percent(change.share, 0) });
  const [cause] = change.causes;
  const because = cause ? t(cause.lead_s >= 0 ? 'changes.because' : 'changes.near', { event: eventName(cause.kind), subject: cause.gun || cause.spot || cause.program || '', minutes: number(Math.abs(cause.lead_s) / 60) }) : '';
  return [what, share, because].filter(Boolean).join(t('changes.joint'));
}

/** A row for one change. */
export function changeRow(change) {
  const bad = change.kind === 'defect_rate' ? change.change > 0 : Math.abs(change.change) > WORSE;
  const shape = change.kind === 'defect_rate' ? (bad ? 'defect' : 'ok') : 'changed';
  return h(
    'li',
    {},
    h('a', { class: 'row', href: pageOf(change.by, change.name) }, icon(shape, tone(shape)), h('span', { class: 'head' }, h('span', { text: who(change) })), h('time', { class: 'when', datetime: change.time, text: time(change.time) }), h('span', { class: 'why', text: changeSentence(change) })),
  );
}

/** What a signal says in the viewer's language, from its figures; a kind newer than this page is told as it came. */
function signalSentence({ kind, note, details }) {
  const { feature = '', low = null, high = null } = details;
  const words = { feature: featureName(feature), low: low === null ? '–' : number(low), high: high === null ? '∞' : number(high) };
  switch (kind) {
    case 'defect_burst':
      return t('signal.defect_burst', { defects: number(details.defects), welds: number(details.welds), usual: number(1 / details.usual_rate), cause: causeShort(details.cause) });
    case 'drift':
      return t('signal.drift', { feature: words.feature, size: `${details.size_sigma < 0 ? '−' : '+'}${number(Math.abs(details.size_sigma), 1)}`, limit: number(details.limit_sigma, 1) });
    case 'wear_warning':
      if (details.limit === 'routine') return t('signal.wear_routine', { n: number(details.wear) });
      return t(`signal.wear_${details.limit}`, { ...words, n: number(details.remaining ?? 0) });
    case 'dress_ineffective':
      return t('signal.dress_ineffective', { feature: words.feature, share: percent(details.recovered, 0), low: percent(low, 0), high: percent(high, 0) });
    default:
      return note;
  }
}

/** A row for one signal, an EventOut of Lineside's own. */
export function signalRow(signal) {
  const { kind, gun, spot, program, cell } = signal;
  const [by, name] = spot ? ['spot', spot] : gun ? ['gun', gun] : ['', program ? t('spot.program_of', { program }) : cell];
  return h(
    'li',
    { 'data-signal': signal.id },
    h(
      'a',
      { class: 'row', href: pageOf(by, name) },
      icon(kind === 'defect_burst' ? 'defect' : 'noticed', kind === 'defect_burst' ? 'tone-defect' : 'tone-warn'),
      h('span', { class: 'head' }, h('span', { text: eventName(kind) }), h('span', { class: 'muted', text: name })),
      h('time', { class: 'when', datetime: signal.time, text: time(signal.time), title: ago(signal.time) }),
      h('span', { class: 'why', text: signalSentence(signal) }),
    ),
  );
}

export const changeKey = ({ kind, by, name, feature, time: at, after, spots_changed: spots }) => [kind, by, name, feature, at, after, spots].join(' ');

/**
 * Keep the ranked changes since `since()` in `list`, loaded every `everyMs`; `onState(items, error)` hears of each try.
 * Returns the function that loads them now.
 */
export function followChanges(scope, { since, list, most, everyMs, onState }) {
  const abort = new AbortController();
  let timer = 0;
  async function load() {
    clearTimeout(timer);
    try {
      const answer = await get('/changes', { since: since() }, abort.signal);
      const items = Array.isArray(answer) ? answer : answer.items;
      keyed(list, items.slice(0, most), changeKey, changeRow);
      onState(items, null);
    } catch (error) {
      if (abort.signal.aborted) return;
      onState(null, error);
    }
    timer = setTimeout(load, everyMs);
  }
  scope.add(
    () => abort.abort(),
    () => clearTimeout(timer),
  );
  void load();
  return load;
}

/** Keep the newest signals in `list`, and say each new one to screen readers through the element returned. */
export function followSignals(scope, { list, most }) {
  const voice = h('p', { class: 'visually-hidden', 'aria-live': 'polite' });
  scope.watch(signals, (items) => keyed(list, items.slice(0, most), ({ id }) => id, signalRow));
  scope.add(signalsNew.on((items) => items.length && setText(voice, `${eventName(items.at(-1).kind)}: ${signalSentence(items.at(-1))}`)));
  return voice;
}
