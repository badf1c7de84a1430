// Draws the spots: a soft body made of the spots themselves, then one stamped mark per spot.

import { t } from '../i18n.js';
import { SHAPES, drawShape, sprite } from '../shapes.js';
import { stateOf } from '../words.js';

const ORDER = ['unseen', 'ok', 'missing', 'unjudged', 'defect'];
const SIZE_MM = 30;
const SIZE_PX = { least: 4, most: 16 };
const RELATIVE = { unseen: 0.9, ok: 1, unjudged: 1.25, missing: 1.5, defect: 2.1 };
const DEFECT_LEAST_PX = 11;
const DISC_MM = 150;
const BACKDROP_MM_PER_PX = 6;
const PULSE_MS = 900;

/** Diameter in CSS px of a mark of `state`. */
export function markSize(state, scale) {
  const base = Math.max(SIZE_PX.least, Math.min(SIZE_PX.most, SIZE_MM * scale));
  return state === 'defect' ? Math.max(DEFECT_LEAST_PX, base * RELATIVE.defect) : base * RELATIVE[state];
}

/** The silhouette: discs around all marks, once per layout and theme. Its unit is BACKDROP_MM_PER_PX. */
export function backdrop({ marks, bounds }, colours) {
  const across = (length) => Math.max(1, Math.ceil(length / BACKDROP_MM_PER_PX));
  const canvas = new OffscreenCanvas(across(bounds.width), across(bounds.height));
  const context = canvas.getContext('2d');
  context.fillStyle = colours.body;
  context.scale(1 / BACKDROP_MM_PER_PX, 1 / BACKDROP_MM_PER_PX);
  context.beginPath();
  for (const { x, y, view } of marks) {
    if (view === 'tray') continue;
    context.moveTo(x + DISC_MM, y);
    context.arc(x, y, DISC_MM, 0, 2 * Math.PI);
  }
  context.fill();
  return canvas;
}

/** Draw silhouette, names of the views and all marks. */
export function paintBase(surface, camera, layout, body, colours) {
  const { baseContext: context, ratio, width, height } = surface;
  surface.clear(context);
  camera.apply(context, ratio);
  context.drawImage(body, 0, 0, body.width * BACKDROP_MM_PER_PX, body.height * BACKDROP_MM_PER_PX);
  context.setTransform(1, 0, 0, 1, 0, 0);
  const groups = Object.fromEntries(ORDER.map((state) => [state, []]));
  for (const mark of layout.marks) {
    const x = mark.x * camera.scale + camera.x;
    const y = mark.y * camera.scale + camera.y;
    if (x > -20 && y > -20 && x < width + 20 && y < height + 20) groups[stateOf(mark.spot)].push(x, y);
  }
  for (const state of ORDER) {
    if (!groups[state].length) continue;
    const stamp = sprite(state, markSize(state, camera.scale), colours[SHAPES[state].colour], ratio);
    const half = stamp.width / 2;
    const points = groups[state];
    // On whole pixels a stamp is copied, not resampled: several times faster where there is no graphics processor.
    for (let k = 0; k < points.length; k += 2) {
      context.drawImage(stamp, Math.round(points[k] * ratio - half), Math.round(points[k + 1] * ratio - half));
    }
  }
  paintNames(context, surface, camera, layout.frames, colours);
}

function paintNames(context, { ratio }, camera, frames, colours) {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = `${0.875 * colours.rem}px ${colours.font}`;
  context.textBaseline = 'top';
  for (const frame of frames) {
    const x = frame.x * camera.scale + camera.x;
    const y = frame.y * camera.scale + camera.y;
    const wide = frame.width * camera.scale;
    context.fillStyle = colours.muted;
    context.textAlign = 'left';
    const below = frame.view === 'tray'; // so that the name does not lie on its marks
    context.fillText(t(`map.frame_${frame.view}`), x, below ? y + frame.height * camera.scale : y);
    if (below) continue;
    const text = t('map.front');
    context.textAlign = frame.view === 'right' ? 'right' : 'left';
    context.textBaseline = 'bottom';
    context.fillText(frame.view === 'right' ? `${text} →` : `← ${text}`, frame.view === 'right' ? x + wide : x, y + frame.height * camera.scale);
    context.textBaseline = 'top';
  }
}

/** Whether the ring of a mark's newest verdict is still growing at `now`. */
export const pulses = ({ spot }, now) => spot.seen > 0 && now - spot.seen < PULSE_MS;

/** Draw the rings of the marks `pulsing`, and the chosen and hovered marks. */
export function paintOver(surface, camera, { pulsing, chosen, hovered, colours, focused }) {
  const { overContext: context } = surface;
  surface.clear(context);
  const now = performance.now();
  const place = (mark) => [mark.x * camera.scale + camera.x, mark.y * camera.scale + camera.y];
  context.lineWidth = 1.5;
  for (const mark of pulsing) {
    const age = Math.min(1, (now - mark.spot.seen) / PULSE_MS);
    const state = stateOf(mark.spot);
    context.globalAlpha = 1 - age;
    context.strokeStyle = colours[SHAPES[state].colour];
    context.beginPath();
    context.arc(...place(mark), markSize(state, camera.scale) * (0.5 + age * (state === 'defect' ? 1.6 : 1)), 0, 2 * Math.PI);
    context.stroke();
  }
  context.globalAlpha = 1;
  for (const [mark, on] of [[hovered, true], [chosen, focused]]) {
    if (!mark || !on) continue;
    const [x, y] = place(mark);
    const state = stateOf(mark.spot);
    const size = markSize(state, camera.scale);
    context.save();
    context.translate(x, y);
    drawShape(context, state, Math.max(size * 1.5, 12), colours[SHAPES[state].colour]);
    context.restore();
    context.lineWidth = 2.5;
    context.strokeStyle = colours.text;
    context.beginPath();
    context.arc(x, y, Math.max(size, 8) + 5, 0, 2 * Math.PI);
    context.stroke();
  }
}
