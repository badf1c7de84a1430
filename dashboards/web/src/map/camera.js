// Where on the plane one looks, and how near.

const MARGIN_PX = 10;
const MAX_ZOOM = 60;

/** screen = world · scale + (x, y); `fitted` is true while it shows all. */
export class Camera {
  scale = 1;
  x = 0;
  y = 0;
  fitted = true;
  #least = 1;

  /** Show all of `bounds` {x, y, width, height} in a box of `width` × `height` px. */
  fit(bounds, width, height) {
    this.scale = Math.min((width - 2 * MARGIN_PX) / bounds.width, (height - 2 * MARGIN_PX) / bounds.height);
    this.#least = this.scale;
    this.x = (width - bounds.width * this.scale) / 2 - bounds.x * this.scale;
    this.y = (height - bounds.height * this.scale) / 2 - bounds.y * this.scale;
    this.fitted = true;
  }

  /** Multiply the scale, keeping the world point under the pixel (px, py) where it is. */
  zoom(factor, px, py) {
    const scale = Math.max(this.#least * 0.8, Math.min(this.#least * MAX_ZOOM, this.scale * factor));
    const ratio = scale / this.scale;
    this.x = px - (px - this.x) * ratio;
    this.y = py - (py - this.y) * ratio;
    this.scale = scale;
    this.fitted = false;
  }

  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
  }

  /** Move just enough that the world point is in sight. */
  reveal(wx, wy, width, height, margin = 40) {
    const px = wx * this.scale + this.x;
    const py = wy * this.scale + this.y;
    const dx = Math.max(0, margin - px) - Math.max(0, px - (width - margin));
    const dy = Math.max(0, margin - py) - Math.max(0, py - (height - margin));
    if (dx || dy) this.move(dx, dy);
  }

  apply(context, ratio) {
    context.setTransform(ratio * this.scale, 0, 0, ratio * this.scale, ratio * this.x, ratio * this.y);
  }
}
