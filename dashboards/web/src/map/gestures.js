// Pointer, wheel and pinch on a canvas: drag moves, wheel and pinch zoom, a press without a drag is a click.

const CLICK_PX = 5;

/** `onChange()` after the camera moved; `onHover(x, y)` or `onHover(null)`; `onClick(x, y)`. Canvas pixels, CSS. */
export function gestures(canvas, camera, { onChange, onHover, onClick }) {
  const down = new Map();
  let travelled = 0;

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const spread = () => {
    const [a, b] = [...down.values()];
    return { distance: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };

  canvas.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    if (!down.size) travelled = 0;
    down.set(event.pointerId, at(event));
  });
  canvas.addEventListener('pointermove', (event) => {
    const now = at(event);
    const before = down.get(event.pointerId);
    if (!before) return onHover(now.x, now.y);
    travelled += Math.hypot(now.x - before.x, now.y - before.y);
    if (down.size === 2) {
      const old = spread();
      down.set(event.pointerId, now);
      const pinch = spread();
      camera.move(pinch.x - old.x, pinch.y - old.y);
      camera.zoom(pinch.distance / Math.max(old.distance, 1), pinch.x, pinch.y);
    } else {
      down.set(event.pointerId, now);
      if (travelled <= CLICK_PX) return undefined;
      camera.move(now.x - before.x, now.y - before.y);
    }
    return onChange();
  });
  const up = (event) => {
    if (!down.delete(event.pointerId) || down.size || event.type === 'pointercancel') return;
    const { x, y } = at(event);
    if (travelled <= CLICK_PX) onClick(x, y);
  };
  canvas.addEventListener('pointerup', up);
  canvas.addEventListener('pointercancel', up);
  canvas.addEventListener('pointerleave', () => onHover(null));
  canvas.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const { x, y } = at(event);
      const step = event.deltaY * (event.deltaMode ? 16 : 1);
      camera.zoom(Math.exp(-Math.max(-200, Math.min(200, step)) / 300), x, y);
      onChange();
    },
    { passive: false },
  );
}
