// REST: JSON in, or an ApiError that carries what the server's problem document (RFC 9457) says.

const BASE = '/api/v1';
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

async function ask(address, { headers = {}, ...options }, signal = undefined) {
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
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, body);
  return body;
}

/** The address of a rejected message's bytes. */
export const payloadUrl = (seq) => `${BASE}/rejects/${seq}/payload`;

/** An identity as one path segment: it may hold slashes. */
export const segment = encodeURIComponent;
