// Dark or light: what the system prefers, until the viewer chooses.

import { Topic } from './store.js';

const STORAGE_KEY = 'lineside.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** 'dark' or 'light'. */
export const theme = new Topic(localStorage.getItem(STORAGE_KEY) ?? (system.matches ? 'dark' : 'light'));

const apply = (name) => {
  document.documentElement.dataset.theme = name;
  colours = null;
};
let colours = null;
apply(theme.value);

export function toggleTheme() {
  const next = theme.value === 'dark' ? 'light' : 'dark';
  localStorage.setItem(STORAGE_KEY, next);
  apply(next);
  theme.set(next);
}

system.addEventListener('change', ({ matches }) => {
  if (localStorage.getItem(STORAGE_KEY)) return;
  apply(matches ? 'dark' : 'light');
  theme.set(matches ? 'dark' : 'light');
});

/** The colour tokens, and the font, as canvases need them: values of the custom properties in styles/tokens.css. */
export function palette() {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    const names = ['bg', 'surface', 'raised', 'line', 'grid', 'text', 'muted', 'ok', 'ok-mark', 'defect', 'defect-mark', 'unjudged', 'unseen', 'body', 'warn', 'accent', 'band', 'older', 'phase'];
    colours = Object.fromEntries(names.map((name) => [name, read(name)]));
    colours.font = read('font');
    colours.rem = Number.parseFloat(style.fontSize);
  }
  return colours;
}

addEventListener('resize', () => {
  colours = null; // the root font size follows the width
});

const motion = matchMedia('(prefers-reduced-motion: reduce)');

/** Whether the viewer wants things not to move. */
export const still = () => motion.matches;
