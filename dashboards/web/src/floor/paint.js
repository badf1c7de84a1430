// Draws the floor: cells as rectangles on the base canvas, AGVs on the one above.

import { SHAPES, sprite } from '../shapes.js';

const AGV_M = 1.8;
const AGV_PX = { least: 9, most: 26 };
const ORIENTED = new Set(['driving', 'acting', 'idle', 'manual', 'blocked']);
const HEADINGS = 48; // pictures per shape: a turn in steps of 7.5°
export const ORDER = ['offline', 'idle', 'charging', 'manual', 'acting', 'driving', 'blocked', 'error'];

/** Diameter of an AGV mark, CSS px, at `scale` px/m. */
export const agvSize = (scale) => Math.max(AGV_PX.least, Math.min(AGV_PX.most, AGV_M * scale));

/** Cells with their names. `cells`: {id, floor} with the plane's y turned down. */
export function paintFloor(surface, camera, cells, colours) {
  const { baseContext: context } = surface;
  surface.clear(context);
  const size = Math.min(colours.rem, Math.max(11, 1.6 * camera.scale));
  context.font = `${size}px ${colours.font}`;
  context.textAlign = 'left';
  context.textBaseline = 'top';
  context.lineWidth = 1;
  for (const { id, floor } of cells) {
    const x = floor.x_m * camera.scale + camera.x;
    const y = -(floor.y_m + floor.depth_m) * camera.scale + camera.y;
    const [w, tall] = [floor.width_m * camera.scale, floor.depth_m * camera.scale];
    context.fillStyle = colours.raised;
    context.strokeStyle = colours.line;
    context.fillRect(x, y, w, tall);
    context.strokeRect(x + 0.5, y + 0.5, w - 1, tall - 1);
    context.fillStyle = colours.muted;
    if (w > 3 * size) context.fillText(id, x + 4, y + 3, w - 6);
  }
}

/** Stamps for one size, made when first used. */
export class Stamps {
  #made = new Map();
  #key = '';

  get(activity, theta, size, ratio, colours) {
    const key = `${size}/${ratio}/${colours.text}`;
    if (key !== this.#key) this.#made.clear();
    this.#key = key;
    const heading = ORIENTED.has(activity) ? Math.round((theta / (2 * Math.PI)) * HEADINGS + HEADINGS) % HEADINGS : 0;
    const name = `${activity}/${heading}`;
    if (!this.#made.has(name)) this.#made.set(name, turned(activity, (heading / HEADINGS) * 2 * Math.PI, size, ratio, colours));
    return this.#made.get(name);
  }
}

function turned(activity, theta, size, ratio, colours) {
  const plain = sprite(activity, size, colours[SHAPES[activity].colour], ratio);
  if (!theta) return plain;
  const side = Math.ceil(plain.width * 1.42);
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext('2d');
  context.translate(canvas.width / 2, canvas.height / 2);
  context.rotate(-theta); // the plane's y points up, the canvas's down
  context.drawImage(plain, -plain.width / 2, -plain.height / 2);
  return canvas;
}

/** All AGVs at `now`, the hovered and the chosen one ringed. */
export function paintAgvs(surface, camera, agvs, motion, { now, stamps, colours, ringed, faded }) {
  const { overContext: context, ratio } = surface;
  surface.clear(context);
  context.setTransform(1, 0, 0, 1, 0, 0);
  const size = Math.round(agvSize(camera.scale));
  const groups = new Map(ORDER.map((activity) => [activity, []]));
  for (const agv of agvs) (groups.get(agv.activity) ?? groups.get('idle')).push(agv);
  for (const [activity, group] of groups) {
    for (const agv of group) {
      const at = motion.at(agv.id, now);
      if (!at) continue;
      const stamp = stamps.get(activity, at.theta, size, ratio, colours);
      context.globalAlpha = faded(agv) ? 0.2 : 1;
      context.drawImage(stamp, (at.x * camera.scale + camera.x) * ratio - stamp.width / 2, (-at.y * camera.scale + camera.y) * ratio - stamp.height / 2);
    }
  }
  context.globalAlpha = 1;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (const agv of ringed) {
    const at = motion.at(agv.id, now);
    if (!at) continue;
    context.lineWidth = 2.5;
    context.strokeStyle = colours.text;
    context.beginPath();
    context.arc(at.x * camera.scale + camera.x, -at.y * camera.scale + camera.y, size / 2 + 5, 0, 2 * Math.PI);
    context.stroke();
  }
}
