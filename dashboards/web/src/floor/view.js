// The floor plan as a part of a page: cells, AGVs gliding, and who each of them is.

import { batched, h } from '../dom.js';
import { number, time } from '../format.js';
import { t } from '../i18n.js';
import { agvs, agvsChanged, plant } from '../live.js';
import { Camera } from '../map/camera.js';
import { gestures } from '../map/gestures.js';
import { towards } from '../map/nearest.js';
import { icon, tone } from '../shapes.js';
import { Scope } from '../store.js';
import { surface, tooltip } from '../surface.js';
import { palette, still, theme } from '../theme.js';
import { activityName } from '../words.js';
import { Motion } from './motion.js';
import { Stamps, agvSize, paintAgvs, paintFloor } from './paint.js';

const FRAME_MS = 50; // an AGV drives a few pixels a second
const PAD_M = 2;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The rectangle that holds all cells and AGVs, in m with y turned down. */
function boundsOf(cells, fleet) {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  const add = (x, y) => ([x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, -y), Math.max(x1, x), Math.max(y1, -y)]);
  for (const { floor } of cells) {
    add(floor.x_m, floor.y_m);
    add(floor.x_m + floor.width_m, floor.y_m + floor.depth_m);
  }
  for (const { x_m: x, y_m: y } of fleet) if (x !== null && y !== null) add(x, y);
  return Number.isFinite(x0) ? { x: x0 - PAD_M, y: y0 - PAD_M, width: x1 - x0 + 2 * PAD_M, height: y1 - y0 + 2 * PAD_M } : null;
}

/** Make the plan. `onOpen(id)` is asked for by click or Enter; `chosenId()` is ringed; `faded(agv)` are drawn faintly. */
export function floorPlan({ onOpen, chosenId = () => '', faded = () => false }) {
  const scope = new Scope();
  const camera = new Camera();
  const motion = new Motion();
  const stamps = new Stamps();
  let cells = [];
  let bounds = null;
  let hovered = null;
  let picked = null;
  let timer = 0;

  const face = surface({ label: '', onSize: () => fit() });
  const tip = tooltip(face.element);
  const spoken = h('p', { class: 'visually-hidden', 'aria-live': 'polite' });
  const empty = h('p', { class: 'notice', text: t('floor.none'), hidden: true });
  const corner = h('div', { class: 'corner' });
  face.element.append(spoken, empty, corner);

  const drawFloor = batched(() => face.width && paintFloor(face, camera, cells, palette()));
  const drawAgvs = batched(() => {
    if (!face.width) return;
    const now = performance.now();
    const ringed = [hovered, agvs.get(chosenId()), document.activeElement === face.base && picked].filter(Boolean);
    paintAgvs(face, camera, agvs.values(), motion, { now: still() ? Infinity : now, stamps, colours: palette(), ringed, faded });
    clearTimeout(timer);
    if (!still() && motion.moving(now)) timer = setTimeout(drawAgvs, FRAME_MS);
  });
  const draw = () => {
    drawFloor();
    drawAgvs();
  };

  function fit() {
    bounds = boundsOf(cells, agvs.values());
    if (!bounds || !face.width) return;
    camera.fit(bounds, face.width, face.height);
    draw();
  }

  const shown = () =>
    [...agvs.values()].flatMap((agv) => {
      const at = motion.at(agv.id, performance.now());
      return at ? [{ agv, x: at.x, y: -at.y, view: 'floor' }] : [];
    });

  function find(x, y) {
    let best = null;
    let least = (agvSize(camera.scale) / 2 + 6) ** 2;
    for (const mark of shown()) {
      const d = (mark.x * camera.scale + camera.x - x) ** 2 + (mark.y * camera.scale + camera.y - y) ** 2;
      if (d < least) [best, least] = [mark.agv, d];
    }
    return best;
  }

  function showTip(agv) {
    const at = agv && motion.at(agv.id, performance.now());
    if (!at) return tip.hide();
    const facts = [agv.battery_percent !== null && `${t('agv.battery')} ${number(agv.battery_percent)} %`, agv.order_id && `${t('agv.order')} ${agv.order_id}`];
    return tip.show(
      at.x * camera.scale + camera.x,
      -at.y * camera.scale + camera.y,
      h('strong', { text: agv.id }),
      h('span', { class: `mark ${tone(agv.activity)}` }, icon(agv.activity), activityName(agv.activity)),
      h('div', { text: facts.filter(Boolean).join(' · ') }),
      h('div', { class: 'tone-defect', text: agv.errors.map(({ type }) => type).join(', ') }),
      h('div', { class: 'muted', text: time(agv.time) }),
    );
  }

  gestures(face.base, camera, {
    onChange: () => {
      tip.hide();
      draw();
    },
    onHover: (x, y) => {
      const agv = x === null ? null : find(x, y);
      if (agv === hovered) return;
      hovered = agv;
      face.base.style.cursor = agv ? 'pointer' : 'grab';
      showTip(agv);
      drawAgvs();
    },
    onClick: (x, y) => {
      const agv = find(x, y);
      if (agv) onOpen(agv.id);
    },
  });

  function pick(agv) {
    picked = agv;
    const at = agv && motion.at(agv.id, performance.now());
    if (at) {
      camera.reveal(at.x, -at.y, face.width, face.height);
      spoken.textContent = `${agv.id}, ${activityName(agv.activity)}`;
    }
    showTip(agv);
    draw();
  }

  face.base.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (key in ARROWS) {
      const marks = shown();
      const from = marks.find(({ agv }) => agv.id === picked?.id);
      pick((from ? (towards(marks, from, ...ARROWS[key]) ?? from) : marks[0])?.agv ?? null);
    } else if (key === 'Enter' && picked) onOpen(picked.id);
    else if (key === 'Escape' && picked) pick(null);
    else if (key === '+' || key === '=') zoomBy(1.5);
    else if (key === '-') zoomBy(1 / 1.5);
    else if (key === '0') fit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  face.base.addEventListener('focus', drawAgvs);
  face.base.addEventListener('blur', () => {
    showTip(null);
    drawAgvs();
  });

  function zoomBy(factor) {
    camera.zoom(factor, face.width / 2, face.height / 2);
    tip.hide();
    draw();
  }
  corner.append(h('button', { class: 'button icon-only', type: 'button', 'aria-label': t('map.zoom_fit'), title: t('map.zoom_fit'), on: { click: fit } }, icon('fit')));

  function take(changed) {
    const now = performance.now();
    empty.hidden = agvs.size > 0;
    for (const agv of changed ?? agvs.values()) {
      motion.take(agv, now);
      if (agv.id === hovered?.id) hovered = agv;
      if (agv.id === picked?.id) picked = agv;
    }
    face.base.setAttribute('aria-label', t('floor.label', { n: number(agvs.size) }));
    const grown = boundsOf(cells, changed ?? agvs.values());
    const outside = grown && (!bounds || grown.x < bounds.x || grown.y < bounds.y || grown.x + grown.width > bounds.x + bounds.width || grown.y + grown.height > bounds.y + bounds.height);
    if (outside && camera.fitted) fit();
    drawAgvs();
  }
  scope.watch(agvsChanged, take);
  scope.watch(plant, (value) => {
    cells = (value?.lines ?? []).flatMap((line) => line.cells).filter(({ floor }) => floor);
    fit();
  });
  scope.add(theme.on(draw), face.close, drawFloor.cancel, drawAgvs.cancel, () => clearTimeout(timer));

  return { element: face.element, refresh: draw, close: () => scope.close() };
}
