// What is normal for this spot, how it came to be, and what an engineer may do about it. Each act is an event: the journal
// keeps it, it plays again with everything else, and it stands in the list below.

import { post, segment } from '../api.js';
import { ask, nameField, noteField } from '../components/dialog.js';
import { panel } from '../components/panel.js';
import { h, keyed, setText } from '../dom.js';
import { ago, number, time } from '../format.js';
import { t } from '../i18n.js';
import { may } from '../session.js';
import { eventName } from '../words.js';

const EVENTS_SHOWN = 30;

/** Which acts are offered, by the state of the stream. */
const actsOf = (stream) => !may('engineer') ? [] : [stream?.pinned ? 'unpin' : 'pin', 'reset', stream?.excluded ? 'include' : 'exclude'];

/** Make the panel; `onDone(event)` is called with the id of the event that carries an act that was taken. */
export function referencePanel(spot, { onDone }) {
  const facts = h('dl', { class: 'facts' });
  const acts = h('div', { class: 'acts' });
  const said = h('p', { class: 'small', role: 'status' });
  const list = h('ul', { class: 'events' });
  const none = h('p', { class: 'muted small', text: t('reference.no_events') });
  let stream = null;

  function act(action) {
    ask({
      title: t(`reference.${action}_title`),
      text: t(`reference.${action}_text`, { spot, program: stream?.program ?? '' }),
      fields: [noteField(true), nameField()],
      confirm: t(`reference.${action}`),
      send: async ({ note, by }) => {
        const { event } = await post(`/spots/${segment(spot)}/reference`, { action, note, by, ...(stream && action !== 'exclude' && action !== 'include' && { program: stream.program }) });
        setText(said, t('reference.sent', { action: t(`reference.${action}`) }));
        onDone(event);
      },
    });
  }

  const element = panel(
    { title: t('spot.reference'), className: 'reference-panel' },
    h('div', { class: 'body' }, facts, acts, !may('engineer') && h('p', { class: 'muted small', text: t('user.may_not', { role: t('role.engineer') }) }), said),
    h('h3', { class: 'body-title', text: t('reference.events') }),
    h('div', { class: 'scroll' }, none, list),
  );
  return {
    element,
    show(next) {
      stream = next ?? null;
      facts.replaceChildren(...factsOf(stream).flatMap(([key, value]) => [h('dt', { text: t(key) }), h('dd', { text: value })]));
      keyed(acts, actsOf(stream), (action) => action, (action) => h('button', { class: 'button', type: 'button', text: t(`reference.${action}`), on: { click: () => act(action) } }));
    },
    showEvents(events) {
      none.hidden = events.length > 0;
      keyed(list, grouped(events).slice(0, EVENTS_SHOWN), ({ event, n }) => `${event.id} ${n}`, eventRow);
    },
  };
}

function factsOf(stream) {
  if (!stream) return [['reference.state', t('reference.none')]];
  const n = number(stream.n);
  const states = [
    stream.excluded && t('reference.excluded'),
    stream.pinned && t('reference.pinned'),
    t(stream.learning ? 'reference.learning' : 'reference.following'),
  ];
  const rows = [
    ['spot.program', stream.program],
    ['reference.state', states.filter(Boolean).join(' · ')],
    ['reference.learnt', t('reference.learnt_value', { n })],
    ['reference.version', number(stream.version)],
  ];
  if (stream.since) rows.push(['reference.since', `${time(stream.since)} (${ago(stream.since)})`]);
  if (stream.why) rows.push(['reference.why', eventName(stream.why)]);
  return rows;
}

/** Runs of the same thing at the same gun as one, told by its newest: a gun is dressed every few minutes. */
function grouped(events) {
  const groups = [];
  for (const event of events) {
    const last = groups.at(-1);
    const same = last && !event.note && !last.event.note && last.event.kind === event.kind && last.event.gun === event.gun && last.event.spot === event.spot;
    if (same) last.n += 1;
    else groups.push({ event, n: 1 });
  }
  return groups;
}

function eventRow({ event, n }) {
  const where = [event.gun, event.program && t('spot.program_of', { program: event.program })].filter(Boolean).join(' · ');
  return h(
    'li',
    {},
    h('span', { class: 'head' }, h('span', { text: eventName(event.kind) }), n > 1 && h('span', { class: 'muted', text: t('reference.times', { n: number(n) }) }), where && h('span', { class: 'muted', text: where })),
    h('time', { class: 'when', datetime: event.time, text: time(event.time) }),
    (event.note || event.by) && h('span', { class: 'why', text: [event.note, event.by && t('reference.by', { name: event.by })].filter(Boolean).join(' — ') }),
  );
}
