// Events as vertical lines over a chart in time. What happens every few minutes is in the legend; the rest is named here.

import { palette } from '../theme.js';
import { eventName } from '../words.js';

const ROUTINE_N = 4; // of one kind in view: more than these are routine

/** Draw `events` ({at in s, kind}) over `plot`; `named` writes what each was. */
export function drawEvents(plot, events, { named = false } = {}) {
  const { ctx: context, bbox } = plot;
  const ratio = devicePixelRatio;
  const { muted, rem, font } = palette();
  context.save();
  context.strokeStyle = context.fillStyle = muted;
  context.lineWidth = ratio;
  context.setLineDash([2 * ratio, 3 * ratio]);
  context.font = `${0.75 * rem * ratio}px ${font}`;
  context.textBaseline = 'top';
  let free = -Infinity;
  const often = (kind) => events.filter((event) => event.kind === kind).length > ROUTINE_N;
  for (const { at, kind } of [...events].sort((a, b) => a.at - b.at)) {
    const x = plot.valToPos(at, 'x', true);
    const routine = often(kind);
    context.globalAlpha = routine ? 0.45 : 1;
    context.beginPath();
    context.moveTo(x, bbox.top);
    context.lineTo(x, bbox.top + bbox.height);
    context.stroke();
    const text = eventName(kind);
    const width = context.measureText(text).width + 8 * ratio;
    const left = x + width > bbox.left + bbox.width ? x - width : x + 4 * ratio;
    if (!named || routine || left < free) continue;
    context.fillText(text, left, bbox.top + 2 * ratio);
    free = left + width;
  }
  context.restore();
}
