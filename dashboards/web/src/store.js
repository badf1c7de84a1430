/** A value that tells its listeners when it is set. */
export class Topic {
  #listeners = new Set();

  constructor(value) {
    this.value = value;
  }

  set(value) {
    this.value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  /** Call `listener` on every `set`; returns the function that ends it. */
  on(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Collects what a page must undo when it is left. */
export class Scope {
  #undo = [];

  add(...undo) {
    this.#undo.push(...undo);
  }

  /** Listen to a topic, and hear its present value at once. */
  watch(topic, listener) {
    this.add(topic.on(listener));
    listener(topic.value);
  }

  every(ms, action) {
    const timer = setInterval(action, ms);
    this.add(() => clearInterval(timer));
  }

  close() {
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }
}
