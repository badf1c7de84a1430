// Elements without a framework: make them, and keep a list of them in step with data.

const SVG = 'http://www.w3.org/2000/svg';

/** Make an element. `props`: `class`, `text`, `on: {event: handler}`; null and false leave out; the rest are attributes. */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'text') element.textContent = value;
    else if (name === 'on') for (const [type, handler] of Object.entries(value)) element.addEventListener(type, handler);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set the text only when it differs: an unchanged node costs no layout and is not read out again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Keep the children of `parent` in step with `items`: nodes are kept by `keyOf`, made by `make`, refreshed by `update`. */
export function keyed(parent, items, keyOf, make, update = () => {}) {
  const old = parent.keyedNodes ?? new Map();
  const now = new Map();
  let next = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const node = old.get(key) ?? make(item);
    update(node, item);
    now.set(key, node);
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
  for (const [key, node] of old) if (now.get(key) !== node) node.remove();
  parent.keyedNodes = now;
}

/** Return a function that runs `draw` once in the next frame however often it is called; a hidden page draws nothing. */
export function batched(draw) {
  let asked = 0;
  const request = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      draw();
    });
  };
  request.cancel = () => {
    cancelAnimationFrame(asked);
    asked = 0;
  };
  return request;
}
