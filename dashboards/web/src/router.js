// Addresses without a hash: /spots/<id> and the like. The server answers each of them with the same page.

import { Topic } from './store.js';

const ROUTES = ['spots', 'fleet', 'sources', 'bodies'];

function parse() {
  const [, page, ...rest] = location.pathname.split('/');
  if (page === '') return { page: 'overview', id: '' };
  if (!ROUTES.includes(page)) return { page: 'missing', id: '' };
  let id;
  try {
    id = decodeURIComponent(rest.join('/'));
  } catch {
    return { page: 'missing', id: '' };
  }
  return page === 'spots' && !id ? { page: 'missing', id } : { page, id };
}

/** Where we are: `{page, id}`. */
export const route = new Topic(parse());

/** How far one can go back within this application. */
let depth = 0;

export const href = (page, id = '') => (page === 'overview' ? '/' : `/${page}${id && `/${encodeURIComponent(id)}`}`);

export function go(url) {
  if (url === location.pathname) return;
  depth += 1;
  history.pushState({ depth }, '', url);
  route.set(parse());
}

/** Leave for where we came from, or for `fallback` when this address was opened directly. */
export function back(fallback) {
  if (depth > 0) history.back();
  else go(fallback);
}

/** Let links inside the application change the page without loading it anew. */
export function startRouter() {
  addEventListener('popstate', ({ state }) => {
    depth = state?.depth ?? 0;
    route.set(parse());
  });
  document.addEventListener('click', (event) => {
    const link = event.target.closest?.('a[href^="/"]:not([download])');
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(link.getAttribute('href'));
  });
}
