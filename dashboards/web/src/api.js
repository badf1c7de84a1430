// REST: JSON in, or an ApiError that carries what the server's problem document (RFC 9457) says.

import { Topic } from './store.js';

const BASE = '/api/v1';
const NO_CONTENT = 204;
const TIMEOUT_MS = 20_000;

/** The server said no (`status` > 0, `problem` as sent), or could not be reached (`status` 0). */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `HTTP ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.problem = problem;
  }
}

/** GET `path` (below /api/v1) with `query`; rejects with `ApiError`, or with AbortError when `signal` aborts. */
export function get(path, query = {}, signal = undefined) {
  const search = new URLSearchParams(query).toString();
  return ask(`${path}${search && `?${search}`}`, {}, signal);
}

/** POST `body` as JSON to `path`; rejects as `get` does. */
export function post(path, body) {
  return ask(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
}

/** DELETE `path`; rejects as `get` does. */
export const del = (path) => ask(path, { method: 'DELETE' });

/** Called when the server wants a login; its promise resolves when somebody has logged in. */
let askLogin = null;
export const onLoginNeeded = (action) => {
  askLogin = action;
};

/** Set when a change that had to wait for a login was made: the page beneath was loaded before it. */
export const resent = new Topic('');

/** What changes something waits for a login and is sent again; what reads is loaded anew by the pages. */
async function ask(address, options, signal = undefined) {
  try {
    return await send(address, options, signal);
  } catch (error) {
    const wanted = error.status === 401 && askLogin && !(address === '/session' && options.method);
    if (!wanted) throw error;
    const loggedIn = askLogin();
    if (!options.method) throw error;
    await loggedIn;
  }
  const body = await send(address, options, signal);
  resent.set(address);
  return body;
}

async function send(address, { headers = {}, ...options }, signal) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response;
  try {
    response = await fetch(`${BASE}${address}`, {
      ...options,
      headers: { accept: 'application/json', ...headers },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, null);
  }
  let body = null;
  try {
    if (response.status !== NO_CONTENT) body = await response.json();
  } catch (error) {
    // Cut off in the midst of the body: that is no answer, and least of all an empty one.
    if (signal?.aborted) throw error;
    if (response.ok) throw new ApiError(0, null);
  }
  if (!response.ok) throw new ApiError(response.status, body);
  return body;
}

/** The address of a rejected message's bytes. */
export const payloadUrl = (seq) => `${BASE}/rejects/${seq}/payload`;

/** An identity as one path segment: it may hold slashes. */
export const segment = encodeURIComponent;
