// Logging in and out, at the beginning and whenever a session has ended.

import { ApiError, del, get, onLoginNeeded, post } from './api.js';
import { askLogin } from './components/login.js';
import { session } from './session.js';

let asking = null;

/** Ask for a login, once however many want it; resolves when somebody is in. */
function login(ended) {
  asking ??= askLogin({ ended, name: session.value?.name ?? '', send: (values) => post('/session', values) }).then((who) => {
    asking = null;
    if (session.value && session.value.name !== who.name) location.reload(); // nothing of the one before is shown
    else session.set(who);
  });
  return asking;
}

async function refresh() {
  const who = await get('/session');
  if (JSON.stringify(who) !== JSON.stringify(session.value)) session.set(who);
}

/** Begin: resolves when the server lets the viewer in, or cannot be reached and will be asked again. */
export async function startSession() {
  try {
    await refresh();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) await login(false);
  }
  onLoginNeeded(() => login(true));
}

/** Ask again who is logged in, after the connection was lost; a session that has ended leads to the login. */
export const checkSession = () => void refresh().catch(() => {});

/** Log out, and leave nothing of the plant in this window. */
export async function logout() {
  await del('/session');
  location.assign('/');
}

/** Change one's own password: `{old, new}`. */
export const changePassword = (values) => post('/session/password', values);
