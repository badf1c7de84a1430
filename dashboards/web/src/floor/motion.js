// Where an AGV is between two messages: it glides from where it was drawn to where it now says it is.

const LEAST_MS = 150;
const MOST_MS = 2000;
const JUMP_M = 20; // farther than this between messages it did not drive: it was lost or localised anew

/** Positions of all AGVs in time. */
export class Motion {
  #tracks = new Map();

  /** Take a new state of an AGV; `now` in ms. AGVs without a position are not tracked. */
  take({ id, x_m: x, y_m: y, theta_rad: theta }, now) {
    if (x === null || y === null) {
      this.#tracks.delete(id);
      return;
    }
    const old = this.#tracks.get(id);
    const end = { x, y, theta: theta ?? old?.end.theta ?? 0 };
    const start = old ? this.at(id, now) : end;
    const jumped = Math.hypot(end.x - start.x, end.y - start.y) > JUMP_M;
    const span = old ? Math.max(LEAST_MS, Math.min(MOST_MS, now - old.since)) : 0;
    this.#tracks.set(id, { start: jumped ? end : start, end, since: now, span: jumped ? 0 : span });
  }

  /** Where AGV `id` is at `now`: {x, y, theta} in m and rad, or undefined. */
  at(id, now) {
    const track = this.#tracks.get(id);
    if (!track) return undefined;
    const { start, end, since, span } = track;
    const part = span ? Math.min(1, (now - since) / span) : 1;
    const turn = Math.atan2(Math.sin(end.theta - start.theta), Math.cos(end.theta - start.theta)); // the short way round
    return { x: start.x + (end.x - start.x) * part, y: start.y + (end.y - start.y) * part, theta: start.theta + turn * part };
  }

  /** Whether any AGV is still gliding at `now`. */
  moving(now) {
    for (const { start, end, since, span } of this.#tracks.values()) {
      if (now - since < span && (start.x !== end.x || start.y !== end.y || start.theta !== end.theta)) return true;
    }
    return false;
  }
}
