// The models learnt from test results: what each was trained on, how well it does, and which one judges.

import { get, post, segment } from '../api.js';
import { ask, nameField, noteField } from '../components/dialog.js';
import { failed, waiting } from '../components/notice.js';
import { panel } from '../components/panel.js';
import { h, setText } from '../dom.js';
import { number, percent, significant, time } from '../format.js';
import { t } from '../i18n.js';
import { href } from '../router.js';
import { may } from '../session.js';
import { resultName } from '../words.js';

const RELOAD_EVERY_MS = 10_000;
const COLUMNS = ['models.id', 'models.state', 'models.trained', 'models.labels', 'models.auc', 'models.threshold', 'models.shadow_time', 'models.acts'];
const NUMERIC = new Set(['models.trained', 'models.auc', 'models.threshold', 'models.shadow_time']);

/** What may be done with a model in each state. */
const ACTS = { idle: ['shadow'], shadow: ['activate', 'retire'], active: ['retire'] };

export function modelsPage(root, scope, id) {
  const body = h('tbody');
  const notice = h('div', {}, waiting());
  const inUse = h('p', { class: 'body' });
  const said = h('p', { class: 'body small', role: 'status' });
  const back = h('button', { class: 'button', type: 'button', hidden: true, text: t('models.back'), on: { click: () => goBack() } });
  const table = h('table', { class: 'table', hidden: true }, h('thead', {}, h('tr', {}, COLUMNS.map((key) => h('th', { scope: 'col', class: NUMERIC.has(key) ? 'num' : '', text: t(key) })))), body);
  const card = cardPanel(id);
  const abort = new AbortController();
  let shown = '';
  let before = null;

  async function load() {
    let answer;
    try {
      answer = await get('/models', {}, abort.signal);
    } catch (error) {
      if (abort.signal.aborted) return;
      notice.replaceChildren(error.status === 404 ? h('p', { class: 'notice', text: t('models.none') }) : failed(error, { retry: () => void load(), byItself: true }));
      return;
    }
    const { items, active, shadow, back_to: backTo } = answer;
    before = backTo;
    notice.replaceChildren(...(items.length ? [] : [h('p', { class: 'notice', text: t('models.none') })]));
    setText(inUse, [active ? t('models.judges', { id: active }) : t('models.references_judge'), shadow && t('models.in_shadow', { id: shadow })].filter(Boolean).join(' '));
    back.hidden = backTo === null || backTo === undefined || !may('engineer');
    table.hidden = items.length === 0;
    const state = JSON.stringify(items);
    if (state !== shown) body.replaceChildren(...items.map((item) => modelRow(item, item.id === id, order)));
    shown = state;
    if (id) await card.load(abort.signal);
  }

  function order(action, model) {
    ask({
      title: t(`models.${action}_title`, { id: model }),
      text: t(`models.${action}_text`),
      fields: [noteField(), nameField()],
      confirm: t(`models.${action}`),
      send: async ({ note, by }) => {
        const { reason } = await post(`/models/${segment(model)}/${action}`, { by, note });
        setText(said, [t('models.sent'), reason].filter(Boolean).join(' '));
        setTimeout(load, 1000);
      },
    });
  }

  function goBack() {
    ask({
      title: t('models.back'),
      text: before ? t('models.back_text', { id: before }) : t('models.back_references'),
      fields: [noteField(), nameField()],
      confirm: t('models.back'),
      send: async ({ note, by }) => {
        await post('/models/back', { by, note });
        setText(said, t('models.sent'));
        setTimeout(load, 1000);
      },
    });
  }

  scope.add(() => abort.abort());
  scope.every(RELOAD_EVERY_MS, () => !document.hidden && load());
  void load();
  root.append(
    h('h1', { class: 'visually-hidden', tabindex: -1, text: t('nav.models') }),
    h('div', { class: 'rows' }, panel({ title: t('nav.models'), className: 'live-part', end: back }, inUse, said, notice, h('div', { class: 'scroll-x' }, table)), id ? card.element : howPanel()),
  );
}

function modelRow(model, chosen, order) {
  const [family] = model.families;
  const act = (action) => h('button', { class: 'button', type: 'button', text: t(`models.${action}`), 'aria-label': t(`models.${action}_title`, { id: model.id }), disabled: Boolean(model.problem) && action !== 'retire', on: { click: () => order(action, model.id) } });
  return h(
    'tr',
    { class: chosen ? 'chosen' : '' },
    h('th', { scope: 'row' }, h('a', { href: href('models', model.id), text: model.id, 'aria-current': chosen ? 'true' : null })),
    h('td', {}, h('span', { class: `mark ${model.state === 'active' ? 'tone-ok' : ''}`, text: t(`models.state_${model.state}`) }), model.since && h('span', { class: 'muted', text: ` ${time(model.since)}` }), model.problem && h('div', { class: 'tone-defect', text: model.problem })),
    h('td', { class: 'num', text: time(model.created) }),
    h('td', { text: Object.entries(model.labels).map(([label, n]) => `${resultName(label)} ${number(n)}`).join(', ') }),
    h('td', { class: 'num', text: family ? model.families.map(({ auc, auc_low: low, auc_high: high }) => figure([auc, low, high])).join('; ') : '–' }),
    h('td', { class: 'num', text: significant(model.threshold, 3) }),
    h('td', { class: 'num', text: model.state === 'shadow' ? t('models.shadow_value', { welds: number(model.shadow_welds), hours: number(model.shadow_hours, 1) }) : '–' }),
    h('td', {}, may('engineer') ? h('span', { class: 'acts' }, ACTS[model.state].map(act)) : h('span', { class: 'muted small', text: t('user.may_not', { role: t('role.engineer') }) })),
  );
}

/** A figure with its 95 % interval: [value, low, high] as the card has it. */
const figure = ([value, low, high]) => (value === null ? '–' : `${significant(value, 3)}${low === null ? '' : ` [${significant(low, 3)}, ${significant(high, 3)}]`}`);

function howPanel() {
  return panel({ title: t('models.how') }, h('div', { class: 'notice guide' }, h('ol', {}, ['models.step_inspect', 'models.step_train', 'models.step_shadow', 'models.step_activate'].map((key) => h('li', { text: t(key) })))));
}

/** The card of one model. */
function cardPanel(id) {
  const content = h('div', {}, waiting());
  let loaded = false;
  return {
    element: panel({ title: t('models.card', { id }) }, content),
    async load(signal) {
      if (loaded) return;
      try {
        const { card } = await get(`/models/${segment(id)}`, {}, signal);
        loaded = true;
        content.replaceChildren(...cardParts(card));
      } catch (error) {
        if (signal.aborted) return;
        content.replaceChildren(error.status === 404 ? h('p', { class: 'notice', text: t('state.not_found', { what: id }) }) : failed(error, { retry: () => void this.load(signal) }));
      }
    },
  };
}

const CLASS_COLUMNS = ['models.class', 'models.welds', 'models.spots', 'models.recall', 'models.precision', 'models.class_auc', 'models.named'];

function cardParts(card) {
  const facts = [
    ['models.source', card.source],
    ['models.welds', number(card.welds)],
    ['models.span', `${time(card.first)} – ${time(card.last)}`],
    ['models.hash', card.data_sha256],
    ['models.threshold', t('models.threshold_value', { value: significant(card.threshold.value, 3), budget: percent(card.threshold.budget, 2), good: number(card.threshold.good), above: number(card.threshold.above), shown: percent(card.threshold.shown, 2) })],
    ['models.software', Object.entries(card.software).map((pair) => pair.join(' ')).join(', ')],
  ];
  return [h('dl', { class: 'facts body' }, facts.flatMap(([key, value]) => [h('dt', { text: t(key) }), h('dd', { text: value })])), ...card.families.map(familyPart)];
}

function familyPart(family) {
  const cells = (each) => [resultName(each.label), number(each.n), number(each.spots), figure(each.recall), figure(each.precision), figure(each.auc), figure(each.named)];
  const head = h('tr', {}, CLASS_COLUMNS.map((key, k) => h('th', { scope: 'col', class: k ? 'num' : '', text: t(key) })));
  const rows = family.classes.map((each) => {
    const [name, ...rest] = cells(each);
    return h('tr', {}, h('th', { scope: 'row', text: name }), rest.map((text) => h('td', { class: 'num', text })));
  });
  return h(
    'section',
    { 'aria-label': family.name },
    h('h3', { class: 'body-title', text: t('models.family', { name: family.name, folds: number(family.folds), groups: number(family.groups) }) }),
    h('p', { class: 'body small muted', text: t('models.family_figures', { auc: figure(family.all_faults), forward: figure(family.forward), alarms: figure(family.false_alarms), brier: significant(family.brier, 3), base: significant(family.brier_base, 3) }) }),
    h('div', { class: 'scroll-x' }, h('table', { class: 'table' }, h('thead', {}, head), h('tbody', {}, rows))),
  );
}
