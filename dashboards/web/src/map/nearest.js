// Finding a mark: under the pointer, or the next one in a direction.

/** The mark nearest to the world point within `reach`, defects first when marks lie on each other; or null. */
export function under(marks, x, y, reach) {
  let best = null;
  let least = reach * reach;
  for (const mark of marks) {
    const d = (mark.x - x) ** 2 + (mark.y - y) ** 2;
    const cost = mark.spot.verdict === 'defect' ? d * 0.25 : d;
    if (d <= reach * reach && cost < least) [best, least] = [mark, cost];
  }
  return best;
}

/** The next mark from `from` towards (dx, dy), one of which is 0: in the same view if there is one, else in any. */
export function towards(marks, from, dx, dy) {
  const search = (sameView) => {
    let best = null;
    let least = Infinity;
    for (const mark of marks) {
      if (mark === from || sameView !== (mark.view === from.view)) continue;
      const along = (mark.x - from.x) * dx + (mark.y - from.y) * dy;
      const across = Math.abs((mark.x - from.x) * dy + (mark.y - from.y) * dx);
      if (along <= 0 || across > along * 1.5) continue;
      const cost = along + 2 * across;
      if (cost < least) [best, least] = [mark, cost];
    }
    return best;
  };
  return search(true) ?? search(false);
}

const rank = (mark, marks) => marks.indexOf(mark);

/** The next mark after `from` (or the first) in reading order whose spot is a defect; null when there is none. */
export function nextDefect(marks, from) {
  const bad = marks.filter(({ spot }) => spot.verdict === 'defect');
  return bad.find((mark) => rank(mark, marks) > rank(from, marks)) ?? bad[0] ?? null;
}
