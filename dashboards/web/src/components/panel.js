import { h } from '../dom.js';

let count = 0;

/** A titled part of a page: `end` stands at the right of its title. */
export function panel({ title, className = '', end = [], level = 2 }, ...content) {
  const id = `panel-${(count += 1)}`;
  return h('section', { class: `panel ${className}`, 'aria-labelledby': id }, h('header', {}, h(`h${level}`, { id, text: title }), h('div', { class: 'end' }, end)), content);
}
