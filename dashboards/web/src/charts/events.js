// Events as vertical lines over a chart in time, each named once there is room.

import { palette } from '../theme.js';
import { eventName } from '../words.js';

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
  for (const { at, kind } of [...events].sort((a, b) => a.at - b.at)) {
    const x = plot.valToPos(at, 'x', true);
    context.beginPath();
    context.moveTo(x, bbox.top);
    context.lineTo(x, bbox.top + bbox.height);
    context.stroke();
    const text = eventName(kind);
    const width = context.measureText(text).width + 8 * ratio;
    const left = x + width > bbox.left + bbox.width ? x - width : x + 4 * ratio;
    if (!named || left < free) continue;
    context.fillText(text, left, bbox.top + 2 * ratio);
    free = left + width;
  }
  context.restore();
}
