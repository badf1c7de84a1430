// The map of spots as a part of a page: pans, zooms, tells, and opens a spot.

import { batched, h } from '../dom.js';
import { number, time } from '../format.js';
import { t } from '../i18n.js';
import { icon, tone } from '../shapes.js';
import { Scope } from '../store.js';
import { surface, tooltip } from '../surface.js';
import { palette, still, theme } from '../theme.js';
import { causeName, stateOf, verdictName } from '../words.js';
import { Camera } from './camera.js';
import { gestures } from './gestures.js';
import { VIEWS, layOut } from './layout.js';
import { legend } from './legend.js';
import { nextDefect, towards, under } from './nearest.js';
import { backdrop, markSize, paintBase, paintOver, pulses } from './paint.js';

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PULSE_FRAME_MS = 60;
const REACH_PX = 14;
const ZOOM_STEP = 1.5;
const FOOT_REM = 1.75; // kept free for the legend when all is shown

/** The view last chosen; kept from page to page. */
let view = 'all';

/**
 * Make the map. `list()` gives the spots (PlantSpot with `verdict` and `seen`), `states` are those that the legend
 * explains, `onOpen(spot)` is asked for by click or Enter. Returns `element`, `controls` (view switch), `refresh()`, `update(changed)` and `close()`.
 */
export function spotMap({ list, onOpen, states }) {
  const scope = new Scope();
  const camera = new Camera();
  let layout = null;
  let body = null;
  let chosen = null;
  let hovered = null;
  let pulsing = [];
  let drawn = new Map(); // by spot: the state that is on the canvas, and the marks
  let pulseTimer = 0;

  const face = surface({ label: '', onSize: () => arrange() });
  const tip = tooltip(face.element);
  const spoken = h('p', { class: 'visually-hidden', 'aria-live': 'polite' });
  const empty = h('p', { class: 'notice', text: t('map.none'), hidden: true });
  const corner = h('div', { class: 'corner' });
  face.element.append(spoken, empty, corner, h('div', { class: 'foot' }, legend(states)));

  const drawBase = batched(() => {
    if (!layout) return;
    for (const [spot, entry] of drawn) entry.state = stateOf(spot);
    paintBase(face, camera, layout, body, palette());
  });
  const drawOver = batched(() => {
    if (!layout) return;
    const now = performance.now();
    pulsing = still() ? [] : pulsing.filter((mark) => pulses(mark, now));
    paintOver(face, camera, { pulsing, chosen, hovered, colours: palette(), focused: document.activeElement === face.base });
    clearTimeout(pulseTimer);
    if (pulsing.length) pulseTimer = setTimeout(drawOver, PULSE_FRAME_MS);
  });
  const draw = () => {
    drawBase();
    drawOver();
  };

  /** Lay out anew; `stay` keeps what the viewer has zoomed to. */
  function arrange({ stay = false } = {}) {
    if (!face.width) return;
    const spots = list();
    empty.hidden = spots.length > 0;
    const kept = chosen && { spot: chosen.spot.spot, view: chosen.view };
    layout = layOut(spots, view, face.width / (face.height - FOOT_REM * palette().rem));
    body = backdrop(layout, palette());
    drawn = new Map(spots.map((spot) => [spot, { state: '', marks: [] }]));
    for (const mark of layout.marks) drawn.get(mark.spot).marks.push(mark);
    pulsing = [];
    hovered = null;
    chosen = kept && (layout.marks.find((mark) => mark.spot.spot === kept.spot && mark.view === kept.view) ?? null);
    if (!stay || camera.fitted) showAll();
    face.base.setAttribute('aria-label', t('map.label', { n: number(spots.length) }));
    draw();
  }

  const showAll = () => camera.fit(layout.bounds, face.width, face.height - FOOT_REM * palette().rem);
  function fit() {
    showAll();
    draw();
  }

  function describe({ spot }) {
    const state = stateOf(spot);
    const detail = [spot.cause && causeName(spot.cause), spot.score !== null && spot.score !== undefined && t('weld.score', { z: number(spot.score, 1) })];
    return { state, detail: detail.filter(Boolean).join(' · ') };
  }

  function showTip(mark) {
    if (!mark) return tip.hide();
    const { state, detail } = describe(mark);
    const place = [mark.spot.line, mark.spot.cell, mark.spot.gun].filter(Boolean).join(' · ');
    return tip.show(
      mark.x * camera.scale + camera.x,
      mark.y * camera.scale + camera.y,
      h('strong', { text: mark.spot.spot }),
      h('span', { class: `mark ${tone(state)}` }, icon(state), verdictName(mark.spot.verdict)),
      h('div', { text: detail }),
      h('div', { class: 'muted', text: [place, mark.spot.time && time(mark.spot.time)].filter(Boolean).join(' · ') }),
    );
  }

  function choose(mark) {
    chosen = mark;
    if (mark) {
      camera.reveal(mark.x, mark.y, face.width, face.height);
      const { detail } = describe(mark);
      spoken.textContent = t('map.spoken', { spot: mark.spot.spot, state: verdictName(mark.spot.verdict), detail: detail || t('map.open_hint') });
    }
    showTip(mark);
    draw();
  }

  const find = (x, y) => {
    const reach = Math.max(REACH_PX, markSize('defect', camera.scale) / 2) / camera.scale;
    return layout && under(layout.marks, (x - camera.x) / camera.scale, (y - camera.y) / camera.scale, reach);
  };

  gestures(face.base, camera, {
    onChange: () => {
      tip.hide();
      draw();
    },
    onHover: (x, y) => {
      const mark = x === null ? null : find(x, y);
      if (mark === hovered) return;
      hovered = mark;
      face.base.style.cursor = mark ? 'pointer' : 'grab';
      showTip(mark);
      drawOver();
    },
    onClick: (x, y) => {
      const mark = find(x, y);
      if (mark) onOpen(mark.spot.spot);
      else choose(null);
    },
  });

  const zoomBy = (factor) => {
    camera.zoom(factor, face.width / 2, face.height / 2);
    tip.hide();
    draw();
  };
  face.base.addEventListener('keydown', (event) => {
    if (!layout?.marks.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (key in ARROWS) choose(chosen ? (towards(layout.marks, chosen, ...ARROWS[key]) ?? chosen) : layout.marks[0]);
    else if (key === 'n' || key === 'N') choose(nextDefect(layout.marks, chosen) ?? chosen);
    else if (key === 'Enter' && chosen) onOpen(chosen.spot.spot);
    else if (key === 'Escape' && chosen) choose(null);
    else if (key === '+' || key === '=') zoomBy(ZOOM_STEP);
    else if (key === '-') zoomBy(1 / ZOOM_STEP);
    else if (key === '0') fit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  face.base.addEventListener('focus', drawOver);
  face.base.addEventListener('blur', () => {
    showTip(null);
    drawOver();
  });

  for (const [shape, label, action] of [
    ['plus', 'map.zoom_in', () => zoomBy(ZOOM_STEP)],
    ['minus', 'map.zoom_out', () => zoomBy(1 / ZOOM_STEP)],
    ['fit', 'map.zoom_fit', fit],
  ]) {
    corner.append(h('button', { class: 'button icon-only', type: 'button', 'aria-label': t(label), title: t(label), on: { click: action } }, icon(shape)));
  }

  const buttons = VIEWS.map((name) =>
    h('button', {
      type: 'button',
      text: t(`map.view_${name}`),
      'aria-pressed': String(name === view),
      on: {
        click: () => {
          view = name;
          for (const [k, button] of buttons.entries()) button.setAttribute('aria-pressed', String(VIEWS[k] === view));
          arrange();
        },
      },
    }),
  );
  const controls = h('div', { class: 'segmented', role: 'group', 'aria-label': t('map.views') }, buttons);

  scope.add(
    theme.on(() => {
      if (layout) body = backdrop(layout, palette());
      draw();
    }),
    face.close,
    drawBase.cancel,
    drawOver.cancel,
    () => clearTimeout(pulseTimer),
  );

  return {
    element: face.element,
    controls,
    /** Lay out and draw all spots, keeping what the viewer has zoomed to. */
    refresh: () => arrange({ stay: layout !== null }),
    /** Draw the spots that changed: each gets a ring, and the marks are drawn anew only when one looks different. */
    update(changed) {
      const entries = changed.map((spot) => drawn.get(spot)).filter(Boolean);
      pulsing.push(...entries.flatMap(({ marks }) => marks).filter((mark) => !pulsing.includes(mark)));
      if (changed.some((spot) => drawn.get(spot)?.state !== stateOf(spot))) drawBase();
      drawOver();
    },
    close: () => scope.close(),
  };
}
