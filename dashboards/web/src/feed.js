// The one WebSocket of the page: reconnects by itself, and notices when the server has gone quiet.

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;
const SESSION_ENDED = 4401;
const QUIET_MS = 12_000; // the server speaks every second

export class Feed {
  #socket = null;
  #attempt = 0;
  #timer = 0;
  #quiet = 0;
  #closed = false;

  /** `onMessage(message)` gets each parsed message; `onState('live' | 'lost')` each change of the connection; `onEnded()` is called when the session is over. */
  constructor(url, { onMessage, onState, onEnded }) {
    this.url = url;
    this.onMessage = onMessage;
    this.onState = onState;
    this.onEnded = onEnded;
    this.retryNow = this.retryNow.bind(this);
    addEventListener('online', this.retryNow);
    this.#connect();
  }

  #connect() {
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#listen();
    socket.onmessage = ({ data }) => {
      this.#listen();
      const message = JSON.parse(data);
      if (message.type === 'hello') {
        this.#attempt = 0;
        this.onState('live');
      }
      this.onMessage(message);
    };
    socket.onclose = ({ code }) => {
      if (code === SESSION_ENDED) this.onEnded();
      this.#lost(socket);
    };
  }

  #listen() {
    clearTimeout(this.#quiet);
    const socket = this.#socket;
    this.#quiet = setTimeout(() => this.#lost(socket), QUIET_MS);
  }

  #lost(socket) {
    if (socket !== this.#socket || this.#closed) return;
    this.#drop();
    this.onState('lost');
    const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempt) * (0.75 + Math.random() / 2);
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#connect(), delay);
  }

  #drop() {
    clearTimeout(this.#quiet);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** Try at once when waiting to reconnect. */
  retryNow() {
    if (this.#socket || this.#closed) return;
    clearTimeout(this.#timer);
    this.#attempt = 0;
    this.#connect();
  }

  close() {
    this.#closed = true;
    removeEventListener('online', this.retryNow);
    clearTimeout(this.#timer);
    this.#drop();
  }
}
