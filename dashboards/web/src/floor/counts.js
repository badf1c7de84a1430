import { batched, h, keyed, setText } from '../dom.js';
import { number } from '../format.js';
import { t } from '../i18n.js';
import { agvs, agvsChanged } from '../live.js';
import { icon, tone } from '../shapes.js';
import { activityName } from '../words.js';
import { ORDER } from './paint.js';

const AT_MOST_EVERY_MS = 500;

/** How many AGVs do what, kept up to date while `scope` lives. */
export function fleetCounts(scope) {
  const list = h('ul', { class: 'legend live-part', 'aria-label': t('floor.counts') });
  let timer = 0;
  const draw = batched(() => {
    const counts = new Map();
    for (const { activity } of agvs.values()) counts.set(activity, (counts.get(activity) ?? 0) + 1);
    const shown = [...ORDER].reverse().filter((activity) => counts.has(activity));
    keyed(
      list,
      shown,
      (activity) => activity,
      (activity) => h('li', { class: 'count' }, icon(activity, tone(activity)), h('strong'), activityName(activity)),
      (item, activity) => setText(item.querySelector('strong'), number(counts.get(activity))),
    );
  });
  const soon = () => {
    timer ||= setTimeout(() => {
      timer = 0;
      draw();
    }, AT_MOST_EVERY_MS);
  };
  draw();
  scope.add(agvsChanged.on(soon), draw.cancel, () => clearTimeout(timer));
  return list;
}
