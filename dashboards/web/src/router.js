// Addresses without a hash: /spots/<id> and the like. The server answers each of them with the same page.

import { Topic } from './store.js';

const ROUTES = ['spots', 'guns', 'fleet', 'sources', 'bodies', 'changes', 'models', 'access'];
const WITH_ID = ['spots'];

function parse() {
  const [, page, ...rest] = location.pathname.split('/');
  const query = new URLSearchParams(location.search);
  if (page === '') return { page: 'overview', id: '', query };
  if (!ROUTES.includes(page)) return { page: 'missing', id: '', query };
  let id;
  try {
    id = decodeURIComponent(rest.join('/'));
  } catch {
    return { page: 'missing', id: '', query };
  }
  return WITH_ID.includes(page) && !id ? { page: 'missing', id, query } : { page, id, query };
}

/** Where we are: `{page, id, query}`, the query as URLSearchParams. */
export const route = new Topic(parse());

/** How far one can go back within this application. */
let depth = 0;

export const href = (page, id = '') => (page === 'overview' ? '/' : `/${page}${id && `/${encodeURIComponent(id)}`}`);

/** The page of a weld's spot, with that weld chosen. */
export const weldHref = ({ spot, id }) => `${href('spots', spot)}?weld=${encodeURIComponent(id)}`;

export function go(url) {
  if (url === location.pathname + location.search) return;
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
