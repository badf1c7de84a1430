// What the page knows of the plant: loaded over REST, then kept by the live feed, loaded again after each reconnect.

import { get } from './api.js';
import { Feed } from './feed.js';
import { checkSession } from './signing.js';
import { Topic } from './store.js';

const DEFECTS_KEPT = 50;
const RETRY_MS = 3000;
const FILLING_RELOAD_MS = 5000;
const SHIFT_FALLBACK = '-8h';
const SIGNALS_KEPT = 100;

/** Kinds of events that are findings of Lineside, not things done at a machine. */
export const SIGNAL_KINDS = ['defect_burst', 'drift', 'wear_warning', 'dress_ineffective'];

/** The connection: `state` 'connecting' | 'live' | 'lost'; `at` ms since 1970 of the last change. */
export const connection = new Topic({ state: 'connecting', at: Date.now() });

/** The first load: `state` 'loading' | 'ready' | 'error', and the error. */
export const loading = new Topic({ state: 'loading', error: null });

/** PlantOut without its spots. */
export const plant = new Topic(null);

/** Every spot by id: PlantSpot, `index` in order of arrival, and `seen` (ms) when its newest verdict came in. */
export const spots = new Map();

/** Set to the spots that changed, or to null when all may have. */
export const spotsChanged = new Topic(null);

/** Every AGV by id, as AgvOut; `agvsChanged` is set to those that changed, or to null when all may have. */
export const agvs = new Map();
export const agvsChanged = new Topic(null);

/** The newest defects, newest first. */
export const defects = new Topic([]);

/** Each batch of weld items of the feed. */
export const welds = new Topic([]);

/** What Lineside noticed by itself, as EventOut, newest first; `signalsNew` is set to those that came in live. */
export const signals = new Topic([]);
export const signalsNew = new Topic([]);

/** `{since, until, welds, lines, bodies}` as the feed's `rate`. */
export const rate = new Topic(null);

/** As the feed's `pipeline`. */
export const pipeline = new Topic(null);

/** `{items, account, collector}` as the feed's `sources`. */
export const sources = new Topic(null);

/** Whether nothing has ever been judged here. */
export const isEmpty = () => rate.value !== null && rate.value.welds.n + rate.value.welds.unjudged === 0 && defects.value.length === 0;

function addSpots(items) {
  for (const item of items) {
    const known = spots.get(item.spot);
    if (known && known.time && (!item.time || known.time > item.time)) continue;
    if (known) Object.assign(known, item);
    else spots.set(item.spot, { ...item, index: spots.size, seen: 0 });
  }
}

function addDefects(items) {
  const byId = new Map(defects.value.map((weld) => [weld.id, weld]));
  for (const weld of items) byId.set(weld.id, weld);
  const newestFirst = [...byId.values()].sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0));
  defects.set(newestFirst.slice(0, DEFECTS_KEPT));
}

function addSignals(items) {
  const byId = new Map(signals.value.map((signal) => [signal.id, signal]));
  for (const signal of items) byId.set(signal.id, signal);
  const newestFirst = [...byId.values()].sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0));
  signals.set(newestFirst.slice(0, SIGNALS_KEPT));
}

function takeWelds(items) {
  const now = performance.now();
  const changed = [];
  for (const weld of items) {
    let spot = spots.get(weld.spot);
    if (!spot) {
      const { line, cell, gun } = weld;
      spot = { spot: weld.spot, program: '', line, cell, gun, x_mm: null, y_mm: null, z_mm: null, known: false, index: spots.size };
      spots.set(weld.spot, spot);
    } else if (spot.time && spot.time > weld.time) continue;
    Object.assign(spot, { verdict: weld.verdict, cause: weld.cause, score: weld.score, time: weld.time, seen: now });
    changed.push(spot);
  }
  const bad = items.filter((weld) => weld.verdict === 'defect');
  if (bad.length) addDefects(bad);
  if (changed.length) spotsChanged.set(changed);
  welds.set(items);
}

const TAKE = {
  welds: ({ items }) => takeWelds(items),
  rate: (message) => rate.set(message),
  pipeline: (message) => pipeline.set(message),
  sources: (message) => sources.set(message),
  agvs: ({ items }) => {
    for (const agv of items) agvs.set(agv.id, agv);
    agvsChanged.set(items);
  },
  signals: ({ items }) => {
    addSignals(items);
    signalsNew.set(items);
  },
  missed: () => void load(), // what was left out may have changed the state of any spot
};

async function load() {
  const since = async () => {
    const body = await get('/plant');
    addSpots(body.spots);
    plant.set(body);
    spotsChanged.set(null);
    const window = { since: body.shift?.start ?? SHIFT_FALLBACK };
    const [welded, lines, bodies] = await Promise.all([
      get('/rate', window),
      get('/rate', { ...window, by: 'line' }),
      get('/rate', { ...window, level: 'body' }),
    ]);
    if (connection.value.state !== 'live' || !rate.value) {
      rate.set({ since: body.shift?.start ?? null, until: null, welds: welded, lines, bodies });
    }
  };
  await Promise.all([
    since(),
    get('/agvs').then((items) => {
      for (const agv of items) agvs.set(agv.id, agv);
      agvsChanged.set(null);
    }),
    Promise.all([get('/sources'), get('/accounting')]).then(([items, account]) => sources.set({ items, account: account.total, collector: account.collector })),
    get('/welds', { verdict: 'defect', limit: DEFECTS_KEPT }).then((page) => addDefects(page.items)),
    Promise.all(SIGNAL_KINDS.map((kind) => get('/events', { kind, limit: SIGNALS_KEPT }))).then((found) => addSignals(found.flat())),
  ]);
}

let retry = 0;

/** Load everything now, and again every few seconds until it has worked. */
export async function reload() {
  clearTimeout(retry);
  try {
    await load();
    loading.set({ state: 'ready', error: null });
  } catch (error) {
    if (loading.value.state !== 'ready') loading.set({ state: 'error', error });
    retry = setTimeout(reload, RETRY_MS);
  }
}

/** While a past shift is filled in, the spots' states are loaded now and then, and once more at its end. */
function followTheFilling() {
  let filling = false;
  let next = 0;
  pipeline.on(({ historical }) => {
    if ((historical && Date.now() >= next) || (filling && !historical)) {
      next = Date.now() + FILLING_RELOAD_MS;
      void reload();
    }
    filling = historical;
  });
}

/** Start loading and listening; once per page. */
export function startLive() {
  const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/live`;
  let lostBefore = false;
  const feed = new Feed(address, {
    onMessage: (message) => TAKE[message.type]?.(message),
    onState: (state) => {
      connection.set({ state, at: Date.now() });
      if (state === 'live' && lostBefore) {
        checkSession();
        void reload();
      }
      lostBefore ||= state === 'lost';
    },
    onEnded: checkSession,
  });
  followTheFilling();
  void reload();
  return feed;
}
