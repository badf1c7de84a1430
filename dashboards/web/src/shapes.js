// One shape per state, the same in lists, legends and on canvases: a status is never told by colour alone.

import { svg } from './dom.js';

const circle = (r) => `M${8 - r} 8a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;

/** Paths in a box of 16; `line` is the stroke width of a hollow shape, else it is filled. `colour` is a token. */
export const SHAPES = {
  ok: { d: circle(5), colour: 'ok-mark' },
  defect: { d: 'M8 .5 15.5 8 8 15.5.5 8z', colour: 'defect-mark' },
  unjudged: { d: circle(5), line: 2, colour: 'unjudged' },
  unseen: { d: circle(3), colour: 'unseen' },
  missing: { d: 'M3.5 3.5h9v9h-9z', line: 2, colour: 'unjudged' },
  driving: { d: 'M2.5 2.5 15 8 2.5 13.5 5.5 8z', colour: 'ok-mark' },
  acting: { d: 'M2 3h8l5 5-5 5H2z', colour: 'ok' },
  charging: { d: 'M9.5 1 3.5 9h4l-1 6 6-8.5h-4z', colour: 'ok' },
  idle: { d: 'M4 4h5l4 4-4 4H4z', line: 1.6, colour: 'unjudged' },
  manual: { d: 'M3 3.5 13.5 8 3 12.5z', line: 1.6, colour: 'text' },
  blocked: { d: 'M2.5 3.5h2.8v9H2.5zM7.3 3.5h2.8v9H7.3zM12 5l3 3-3 3z', colour: 'warn' },
  error: { d: 'M8 .5 15.5 8 8 15.5.5 8z', colour: 'defect-mark' },
  offline: { d: 'm3.5 3.5 9 9m0-9-9 9', line: 2.2, colour: 'unjudged' },
  live: { d: circle(5), colour: 'ok-mark' },
  silent: { d: circle(5), line: 2, colour: 'warn' },
  clock_off: { d: `${circle(6)}M8 4.5V8l2.5 2`, line: 1.6, colour: 'warn' },
  lost: { d: 'M8 1.5 15 14H1zM8 6v3.5m0 1.6v1', line: 1.6, colour: 'warn' },
  noticed: { d: 'M8 1.5 15 14H1zM8 6v3.5m0 1.6v1', line: 1.6, colour: 'warn' },
  changed: { d: 'M2 11l4-4 3 3 5-6M10.5 3.5H14V7', line: 1.8, colour: 'warn' },
  connecting: { d: 'M13.5 8a5.5 5.5 0 1 1-2-4.2M11.8.8v3.3H8.5', line: 1.8, colour: 'warn' },
  check: { d: 'm2.5 8.5 3.7 3.7 7.3-8', line: 2.2, colour: 'ok' },
  sun: { d: `${circle(3.2)}M8 .8v1.8m0 10.8v1.8M.8 8h1.8m10.8 0h1.8M2.9 2.9l1.3 1.3m7.6 7.6 1.3 1.3m0-10.2-1.3 1.3m-7.6 7.6-1.3 1.3`, line: 1.5, colour: 'text' },
  moon: { d: 'M13.5 9.8A6 6 0 0 1 6.2 2.5a6 6 0 1 0 7.3 7.3z', line: 1.5, colour: 'text' },
  plus: { d: 'M8 3v10M3 8h10', line: 1.8, colour: 'text' },
  minus: { d: 'M3 8h10', line: 1.8, colour: 'text' },
  fit: { d: 'M2.5 6V2.5H6m4 0h3.5V6m0 4v3.5H10m-4 0H2.5V10', line: 1.8, colour: 'text' },
  person: { d: 'M8 2a2.8 2.8 0 1 1 0 5.6A2.8 2.8 0 0 1 8 2zM2.8 14c.4-3 2.4-4.4 5.2-4.4s4.8 1.4 5.2 4.4', line: 1.6, colour: 'text' },
  back: { d: 'M10 3 5 8l5 5', line: 2, colour: 'text' },
};

/** The shape as a decorative inline image; its text stands beside it. */
export function icon(name, tone = '') {
  const { d, line } = SHAPES[name];
  const paint = line ? { fill: 'none', stroke: 'currentColor', 'stroke-width': line, 'stroke-linecap': 'round', 'stroke-linejoin': 'round' } : { fill: 'currentColor' };
  return svg('svg', { class: `icon ${tone}`, viewBox: '0 0 16 16', 'aria-hidden': 'true', 'data-shape': name }, svg('path', { d, ...paint }));
}

/** Tone class of a verdict, activity or source state, from its shape's colour. */
export const tone = (name) => `tone-${{ 'ok-mark': 'ok', 'defect-mark': 'defect' }[SHAPES[name].colour] ?? SHAPES[name].colour}`;

/** Draw a shape around the origin of `context`, `size` wide. */
export function drawShape(context, name, size, colour) {
  const { d, line } = SHAPES[name];
  const scale = size / 16;
  context.save();
  context.scale(scale, scale);
  context.translate(-8, -8);
  const path = (paths[name] ??= new Path2D(d));
  if (line) {
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.lineCap = context.lineJoin = 'round';
    context.stroke(path);
  } else {
    context.fillStyle = colour;
    context.fill(path);
  }
  context.restore();
}
const paths = {};

/** The shape as a small picture, to be stamped many times. `size` in CSS px. */
export function sprite(name, size, colour, ratio) {
  const side = Math.ceil((size + 2) * ratio);
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext('2d');
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(ratio, ratio);
  drawShape(context, name, size, colour);
  return canvas;
}
