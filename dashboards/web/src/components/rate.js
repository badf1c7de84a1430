import { h, setText } from '../dom.js';
import { interval, number, percent } from '../format.js';
import { t } from '../i18n.js';

/** A rate with its doubt: figure, 95 % interval and n. `set(rate)` takes a RateOut; `none` is said when n is 0. */
export function rateFigure({ none }) {
  const value = h('span');
  const unit = h('span', { class: 'unit', text: '%' });
  const range = h('span');
  const n = h('span');
  const empty = h('span', { class: 'muted', text: none });
  const figure = h('div', { class: 'rate-figure' }, value, unit);
  const doubt = h('div', { class: 'doubt', title: t('headline.interval') }, range, n, empty);
  return {
    figure,
    doubt,
    set(rate) {
      const judged = Boolean(rate?.n);
      setText(value, judged ? percent(rate.rate) : '–');
      unit.hidden = !judged;
      empty.hidden = judged || !rate;
      range.hidden = n.hidden = !judged;
      setText(range, interval(rate ?? {}));
      setText(n, `n = ${number(rate?.n)}`);
    },
  };
}
