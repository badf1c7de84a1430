// The last curves of a spot over its reference, what the judge saw on the chosen one, and the other channels below.

import { BAND_SIGMAS, curveChart } from '../charts/curves.js';
import { panel } from '../components/panel.js';
import { h, setText } from '../dom.js';
import { number, significant, time } from '../format.js';
import { t } from '../i18n.js';
import { featureName, quantityUnit, verdictName } from '../words.js';

const CHANNELS = { current_ka: 'spot.channel_current', voltage_v: 'spot.channel_voltage', force_kn: 'spot.channel_force', displacement_mm: 'spot.channel_displacement' };
const NOTABLE_SIGMAS = 4;

/** What a step is worth drawing for: it decided, or stands out. */
const notable = (mark, weld) => weld.cause === 'expulsion' || weld.lead === mark.feature || (mark.z ?? 0) >= NOTABLE_SIGMAS;

/** The evidence with times from the start of the main pulse, as t_β counts: curves of several welds lie on one another so. */
function shifted(evidence, weld) {
  const by = evidence.origin_ms ?? evidence.phases.find(({ kind }) => kind !== 'squeeze')?.start_ms ?? 0;
  const move = (item, names) => ({ ...item, ...Object.fromEntries(names.map((name) => [name, item[name] === null ? null : item[name] - by])) });
  const times = (part) => ({ ...part, time_ms: part.time_ms.map((ms) => ms - by) });
  return {
    ...evidence,
    by,
    reach_sigmas: BAND_SIGMAS,
    bad: weld.verdict === 'defect',
    phases: evidence.phases.map((phase) => move(phase, ['start_ms', 'stop_ms'])),
    departures: evidence.departures.map((part) => move(part, ['start_ms', 'stop_ms', 'peak_ms'])),
    farthest: evidence.farthest && move(evidence.farthest, ['start_ms', 'stop_ms', 'peak_ms']),
    marks: evidence.marks.map((mark) => ({ ...move(mark, ['ms', 'expected_ms']), step: mark.step && move(mark.step, ['stop_ms']), notable: notable(mark, weld) })),
    trace: times(evidence.trace),
    band: evidence.band && times(evidence.band),
  };
}

/** Make the panel; `show(items)` takes {weld, curve, strong} of one programme, the strong one, if there is one, last. */
export function curvesPanel(scope) {
  const none = h('p', { class: 'notice', text: t('spot.curves_none'), hidden: true });
  const main = h('div', { class: 'plot curve-main', role: 'img' }, none);
  const note = h('span', { class: 'muted small' });
  const marks = h('tbody');
  const table = h(
    'table',
    { class: 'table marks', hidden: true },
    h('caption', { class: 'visually-hidden', text: t('evidence.caption') }),
    h('thead', {}, h('tr', {}, ['evidence.mark', 'evidence.at', 'evidence.value', 'evidence.reference', 'evidence.distance'].map((key, k) => h('th', { scope: 'col', class: k ? 'num' : '', text: t(key) })))),
    marks,
  );
  const heading = h('span');
  const chart = curveChart(main, { label: t('spot.time_axis') });
  const channels = Object.entries(CHANNELS).map(([channel, key]) => {
    const plot = h('div', { class: 'plot', 'aria-hidden': 'true' });
    const small = curveChart(plot, { compact: true });
    scope.add(small.close);
    return { channel, small, figure: h('figure', { class: 'small-chart' }, h('figcaption', { text: t(key) }), plot) };
  });
  scope.add(chart.close);
  const element = panel({ title: '', className: 'curves-panel', end: note }, main, h('div', { class: 'scroll-x' }, table), h('div', { class: 'small-charts' }, channels.map(({ figure }) => figure)));
  element.querySelector('h2').append(heading);

  return {
    element,
    show(items) {
      const drawn = items.map(({ weld, curve, strong }) => ({ weld, curve, strong, evidence: shifted(curve.evidence, weld) }));
      const chosen = drawn.at(-1);
      const evidence = chosen?.strong ? chosen.evidence : null;
      const band = chosen?.evidence.band ?? null;
      const quantity = chosen?.evidence.trace.quantity ?? 'resistance_uohm';
      none.hidden = drawn.length > 0;
      setText(heading, t(quantity === 'voltage_v' ? 'spot.curves_voltage' : 'spot.curves'));
      setText(note, drawn.length ? t(band ? 'spot.curves_note' : 'spot.curves_note_bare', { n: number(drawn.length), k: number(BAND_SIGMAS) }) : '');
      chart.set({
        lines: drawn.filter((each) => each.evidence.trace.quantity === quantity).map((each) => ({ weld: each.weld, strong: each.strong, ...each.evidence.trace })),
        band,
        evidence,
      });
      for (const { channel, small, figure } of channels) {
        const measured = drawn.filter(({ curve }) => curve[channel]?.some((value) => value !== null));
        figure.hidden = measured.length === 0;
        const lines = measured.map(({ weld, strong, curve, evidence: { by } }) => ({ weld, strong, time_ms: curve[channel].map((_, k) => (k * curve.dt_us) / 1000 - by), value: curve[channel] }));
        small.set({ lines, evidence });
      }
      table.hidden = !evidence?.marks.length;
      if (evidence) marks.replaceChildren(...rows(evidence, quantity));
      if (chosen) main.setAttribute('aria-label', t('spot.curves_label', { n: number(drawn.length), time: time(chosen.weld.time), verdict: verdictName(chosen.weld.verdict) }));
    },
  };
}

/** The marks in words and figures: what the drawing shows, for those who cannot see it and for those who want the numbers. */
function rows(evidence, quantity) {
  const unit = quantityUnit(quantity);
  const value = (number_) => (number_ === null ? '–' : `${significant(number_)} ${unit}`);
  const normal = (centre, sigma) => (centre === null || sigma === null ? '–' : `${significant(centre)} ± ${significant(sigma, 2)}`);
  const found = evidence.marks.map((mark) =>
    row({
      name: mark.kind === 'step' ? t('evidence.step') : featureName(mark.feature),
      at: `${number(mark.ms)} ms`,
      value: mark.step ? t('evidence.step_value', { size: value(mark.step.size), left: number(100 * mark.step.left) }) : value(mark.value),
      reference: mark.expected_ms === null ? normal(mark.expected, mark.sigma) : t('evidence.beta_reference', { value: normal(mark.expected, mark.sigma), ms: normal(mark.expected_ms, mark.sigma_ms) }),
      z: mark.z,
      strong: mark.kind === 'step' && mark.notable,
    }),
  );
  const { farthest } = evidence;
  if (farthest) found.push(row({ name: t('evidence.farthest'), at: `${number(farthest.peak_ms)} ms`, value: '–', reference: '–', z: farthest.sigmas, strong: evidence.departures.length > 0 && evidence.bad }));
  return found;
}

const row = ({ name, at, value, reference, z, strong }) =>
  h(
    'tr',
    { class: strong ? 'tone-defect' : '' },
    h('th', { scope: 'row', text: name }),
    [at, value, reference, z === null ? '–' : t('weld.signed_sigmas', { z: `${z < 0 ? '−' : '+'}${number(Math.abs(z), 1)}` })].map((text) => h('td', { class: 'num', text })),
  );
