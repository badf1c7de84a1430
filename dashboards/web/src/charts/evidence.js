// What the judge saw on a curve, drawn onto the curve itself: phases, α, β, the step, and where it left its reference.

import { number, significant } from '../format.js';
import { t } from '../i18n.js';
import { palette } from '../theme.js';
import { phaseName, quantityUnit } from '../words.js';

const LABEL_GAP_PX = 5;
const MARK_PX = 4.5;
const NAMES = { alpha: 'α', beta: 'β' };

/** Shade the phases; the main pulse stays clear, so that the curve stands on plain ground. */
export function drawPhases(plot, evidence, { named }) {
  if (!evidence) return;
  const { ctx: context, bbox } = plot;
  const ratio = devicePixelRatio;
  context.save();
  context.beginPath();
  context.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  context.clip();
  context.font = `${0.75 * palette().rem * ratio}px ${palette().font}`;
  context.textBaseline = 'top';
  context.textAlign = 'center';
  for (const { kind, start_ms: start, stop_ms: stop } of evidence.phases) {
    const left = Math.max(bbox.left, plot.valToPos(start, 'x', true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(stop, 'x', true));
    if (right <= left) continue;
    if (kind !== 'main') {
      context.fillStyle = palette().phase;
      context.fillRect(left, bbox.top, right - left, bbox.height);
    }
    const text = phaseName(kind);
    if (!named || context.measureText(text).width + 8 * ratio > right - left) continue;
    context.fillStyle = palette().muted;
    context.fillText(text, (left + right) / 2, bbox.top + 3 * ratio);
  }
  context.restore();
}

/** On a chart of another channel: a line where the step is, when there is one worth showing. */
export function drawStepTime(plot, evidence) {
  const { ctx: context, bbox } = plot;
  for (const { ms } of evidence?.marks.filter(({ kind, notable }) => kind === 'step' && notable) ?? []) {
    const x = plot.valToPos(ms, 'x', true);
    context.save();
    context.strokeStyle = palette()['defect-mark'];
    context.lineWidth = devicePixelRatio;
    context.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    context.beginPath();
    context.moveTo(x, bbox.top);
    context.lineTo(x, bbox.top + bbox.height);
    context.stroke();
    context.restore();
  }
}

/** Redraw in the colour of a defect the stretches where the curve is outside its band. */
export function drawDepartures(plot, evidence) {
  if (!evidence) return;
  const { ctx: context } = plot;
  context.save();
  context.strokeStyle = palette()[evidence.bad ? 'defect-mark' : 'warn'];
  context.lineWidth = 4 * devicePixelRatio;
  context.lineJoin = context.lineCap = 'round';
  for (const { start_ms: start, stop_ms: stop } of evidence.departures) {
    context.beginPath();
    let down = false;
    for (const [k, time] of evidence.trace.time_ms.entries()) {
      const value = evidence.trace.value[k];
      if (time < start || time > stop || value === null) {
        down = false;
        continue;
      }
      const at = [plot.valToPos(time, 'x', true), plot.valToPos(value, 'y', true)];
      if (down) context.lineTo(...at);
      else context.moveTo(...at);
      down = true;
    }
    context.stroke();
  }
  context.restore();
}

/** Draw the box in which β should be, then the marks with their names. */
export function drawMarks(plot, evidence) {
  if (!evidence) return;
  const { ctx: context } = plot;
  const ratio = devicePixelRatio;
  const { text, muted, surface, rem, font } = palette();
  const x = (ms) => plot.valToPos(ms, 'x', true);
  const y = (value) => plot.valToPos(value, 'y', true);
  context.save();
  context.font = `600 ${0.8125 * rem * ratio}px ${font}`;
  context.lineWidth = 1.5 * ratio;
  const taken = [];

  /** Write beside a point, on the first side that is free and inside. */
  function label(words, px, py, colour) {
    const width = context.measureText(words).width;
    const height = rem * ratio;
    const gap = (MARK_PX + LABEL_GAP_PX) * ratio;
    const { left, top, width: boxWidth, height: boxHeight } = plot.bbox;
    const places = [
      [px + gap, py - height - 2 * ratio],
      [px + gap, py + 2 * ratio],
      [px - gap - width, py - height - 2 * ratio],
      [px - gap - width, py + 2 * ratio],
      [px - width / 2, py - height - gap],
      [px - width / 2, py + gap],
    ];
    const inside = ([a, b]) => a >= left && a + width <= left + boxWidth && b >= top + height && b + height <= top + boxHeight;
    const free = ([a, b]) => taken.every((other) => a + width < other[0] || other[0] + other[2] < a || b + height < other[1] || other[1] + height < b);
    const [a, b] = places.find((place) => inside(place) && free(place)) ?? places.find(inside) ?? places[0];
    taken.push([a, b, width]);
    context.textAlign = 'left';
    context.textBaseline = 'top';
    context.strokeStyle = surface;
    context.lineWidth = 4 * ratio;
    context.lineJoin = 'round';
    context.strokeText(words, a, b);
    context.fillStyle = colour;
    context.fillText(words, a, b);
  }

  for (const mark of evidence.marks) {
    if (mark.kind === 'step') drawStep(context, mark, { x, y, label, ratio, unit: quantityUnit(evidence.trace.quantity) });
    if (mark.kind !== 'beta' || mark.expected_ms === null || mark.expected === null) continue;
    const reach = evidence.reach_sigmas;
    const [left, right] = [x(mark.expected_ms - reach * mark.sigma_ms), x(mark.expected_ms + reach * mark.sigma_ms)];
    const [top, bottom] = [y(mark.expected + reach * mark.sigma), y(mark.expected - reach * mark.sigma)];
    context.strokeStyle = muted;
    context.lineWidth = 1.5 * ratio;
    context.setLineDash([4 * ratio, 3 * ratio]);
    context.strokeRect(left, top, right - left, bottom - top);
    context.setLineDash([]);
    const outside = mark.ms < mark.expected_ms - reach * mark.sigma_ms || mark.ms > mark.expected_ms + reach * mark.sigma_ms || Math.abs(mark.value - mark.expected) > reach * mark.sigma;
    if (outside) label(t('evidence.beta_expected'), x(mark.expected_ms), mark.value > mark.expected ? bottom : top, muted);
  }
  for (const { kind, ms, value } of evidence.marks) {
    if (kind === 'step' || value === null) continue;
    context.beginPath();
    context.arc(x(ms), y(value), MARK_PX * ratio, 0, 2 * Math.PI);
    context.fillStyle = surface;
    context.strokeStyle = text;
    context.lineWidth = 1.75 * ratio;
    context.fill();
    context.stroke();
    if (NAMES[kind]) label(NAMES[kind], x(ms), y(value), text);
  }
  context.restore();
}

/** The step: a bracket from R before it to R after it, with its size and when. */
function drawStep(context, { ms, value, notable, step }, { x, y, label, ratio, unit }) {
  if (!notable) return;
  const { size, stop_ms: stop } = step;
  const colour = palette()['defect-mark'];
  context.strokeStyle = colour;
  context.lineWidth = 1.5 * ratio;
  context.setLineDash([3 * ratio, 3 * ratio]);
  context.beginPath();
  context.moveTo(x(ms), y(value));
  context.lineTo(x(stop), y(value));
  context.lineTo(x(stop), y(value - size));
  context.stroke();
  context.setLineDash([]);
  label(t('evidence.step_label', { size: `${significant(size, 2)} ${unit}`, ms: number(ms) }), x(stop), y(value), palette().defect);
}
