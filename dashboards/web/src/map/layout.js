// Where each spot stands on the drawing: side views and top view side by side on one plane, in mm.

const GAP_MM = 180;
const PAD_MM = 150;
const TRAY_STEP_MM = 60;
const TRAY_WIDTH_MM = 4600;

/** Each projection: which spots it shows, and the spot's place in it. x runs front to rear, y left positive, z up. */
const PROJECTIONS = {
  left: { shows: ({ y_mm }) => y_mm >= 0, place: ({ x_mm, z_mm }) => [x_mm, -z_mm] },
  top: { shows: () => true, place: ({ x_mm, y_mm }) => [x_mm, -y_mm] },
  right: { shows: ({ y_mm }) => y_mm < 0, place: ({ x_mm, z_mm }) => [-x_mm, -z_mm] },
};

/** Ways to set the views: columns of views from top to bottom. */
const ARRANGEMENTS = {
  all: [[['left', 'right'], ['top', 'tray']], [['left'], ['top', 'tray'], ['right']], [['left', 'top', 'right', 'tray']]],
  left: [[['left']]],
  top: [[['top']]],
  right: [[['right']]],
};

export const VIEWS = Object.keys(ARRANGEMENTS);

/**
 * Lay `spots` out for a box of `aspect` (width / height).
 * Returns `marks` {spot, view, x, y}, `frames` {view, x, y, width, height}, and the `bounds` of all.
 */
export function layOut(spots, view, aspect) {
  const placed = spots.filter(({ x_mm }) => x_mm !== null);
  const views = new Map();
  for (const [name, { shows, place }] of Object.entries(PROJECTIONS)) {
    add(views, name, placed.filter(shows).map((spot) => [spot, ...place(spot)]));
  }
  const unplaced = spots.filter(({ x_mm }) => x_mm === null);
  add(views, 'tray', tray(unplaced, placed.length ? TRAY_WIDTH_MM : TRAY_STEP_MM * Math.ceil(Math.sqrt(unplaced.length * aspect))));
  const candidates = ARRANGEMENTS[view].map((columns) => arrange(views, columns));
  const fit = ({ bounds }) => Math.min(aspect / bounds.width, 1 / bounds.height);
  return candidates.reduce((best, each) => (fit(each) > fit(best) ? each : best));
}

function add(views, name, points) {
  if (!points.length) return;
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [, x, y] of points) [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
  views.set(name, { points, x: x0 - PAD_MM, y: y0 - PAD_MM, width: x1 - x0 + 2 * PAD_MM, height: y1 - y0 + 2 * PAD_MM });
}

function tray(spots, width) {
  const sorted = [...spots].sort((a, b) => (a.cell + a.gun + a.spot < b.cell + b.gun + b.spot ? -1 : 1));
  const columns = Math.max(1, Math.floor(width / TRAY_STEP_MM));
  return sorted.map((spot, k) => [spot, (k % columns) * TRAY_STEP_MM, Math.floor(k / columns) * TRAY_STEP_MM]);
}

function arrange(views, columns) {
  const marks = [];
  const frames = [];
  let left = 0;
  const shown = columns.map((column) => column.filter((name) => views.has(name))).filter((column) => column.length);
  const heights = shown.map((column) => column.reduce((sum, name) => sum + views.get(name).height + GAP_MM, -GAP_MM));
  const height = Math.max(...heights, 1);
  for (const [c, column] of shown.entries()) {
    let top = (height - heights[c]) / 2;
    const width = Math.max(...column.map((name) => views.get(name).width));
    for (const name of column) {
      const box = views.get(name);
      const x = name === 'tray' ? left : left + (width - box.width) / 2;
      const frame = { view: name, x, y: top, width: box.width, height: box.height };
      frames.push(frame);
      for (const [spot, x, y] of box.points) marks.push({ spot, view: name, x: x - box.x + frame.x, y: y - box.y + frame.y });
      top += box.height + GAP_MM;
    }
    left += width + GAP_MM;
  }
  return { marks, frames, bounds: { x: 0, y: 0, width: Math.max(1, left - GAP_MM), height } };
}
