// Two canvases over each other, sized to their box: `base` changes with data, `over` with pulses, pointer and focus.

import { h } from './dom.js';

/** A stack of canvases. `onSize` is called when the box or the pixel ratio changes; `label` names it to readers. */
export function surface({ label, onSize }) {
  const base = h('canvas', { tabindex: 0, role: 'application', 'aria-label': label });
  const over = h('canvas', { class: 'over', 'aria-hidden': 'true' });
  const element = h('div', { class: 'stack live-part' }, base, over);
  const self = { element, base, width: 0, height: 0, ratio: 1, baseContext: base.getContext('2d'), overContext: over.getContext('2d') };
  const observer = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = element;
    if (!width || !height) return;
    Object.assign(self, { width, height, ratio: Math.min(devicePixelRatio, 3) });
    for (const canvas of [base, over]) {
      canvas.width = Math.round(width * self.ratio);
      canvas.height = Math.round(height * self.ratio);
    }
    onSize();
  });
  observer.observe(element);
  self.clear = (context) => {
    context.setTransform(self.ratio, 0, 0, self.ratio, 0, 0);
    context.clearRect(0, 0, self.width, self.height);
  };
  self.close = () => observer.disconnect();
  return self;
}

/** A text box that follows a point inside `parent` and stays within it. */
export function tooltip(parent) {
  const element = h('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' });
  parent.append(element);
  return {
    show(x, y, ...content) {
      element.replaceChildren(...content);
      element.hidden = false;
      const { offsetWidth: w, offsetHeight: tall } = element;
      const left = x + 14 + w > parent.clientWidth ? Math.max(0, x - 14 - w) : x + 14;
      const top = Math.max(0, Math.min(y + 14, parent.clientHeight - tall));
      element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
    },
    hide() {
      element.hidden = true;
    },
  };
}
