// The frame around every page: who and where, whether the feed lives, language and theme; and the page itself.

import { resent } from './api.js';
import { languageSelect } from './components/language.js';
import { userMenu } from './components/user.js';
import { h, setText } from './dom.js';
import { number, time, zone } from './format.js';
import { language, t } from './i18n.js';
import { connection, loading, pipeline, plant, reload } from './live.js';
import { accessPage } from './pages/access.js';
import { bodiesPage } from './pages/bodies.js';
import { changesPage } from './pages/changes.js';
import { fleet } from './pages/fleet.js';
import { gunsPage } from './pages/guns.js';
import { missing } from './pages/missing.js';
import { modelsPage } from './pages/models.js';
import { overview } from './pages/overview.js';
import { sourcesPage } from './pages/sources.js';
import { spotPage } from './pages/spot.js';
import { href, route } from './router.js';
import { session } from './session.js';
import { icon } from './shapes.js';
import { Scope } from './store.js';
import { theme, toggleTheme } from './theme.js';

const PAGES = { overview, spots: spotPage, guns: gunsPage, fleet, bodies: bodiesPage, changes: changesPage, models: modelsPage, sources: sourcesPage, access: accessPage, missing };
const NAV = ['overview', 'guns', 'fleet', 'bodies', 'changes', 'models', 'sources'];
const LAG_TOLD_S = 10;

/** Build everything in the language now chosen, and anew when it changes. */
export function startApp(feed) {
  let scope = new Scope();
  const build = () => {
    scope.close();
    scope = new Scope();
    document.documentElement.lang = language.value;
    document.body.replaceChildren();
    frame(scope, feed);
  };
  build();
  language.on(() => {
    build();
    document.querySelector('#language').focus();
  });
  // After a login everything is loaded again, and the page shows what its viewer may do now.
  session.on(() => {
    feed.retryNow();
    void reload();
    route.set(route.value);
  });
  resent.on(() => route.set(route.value));
}

function frame(scope, feed) {
  const main = h('main', { id: 'content', tabindex: -1 });
  const skip = (event) => {
    event.preventDefault(); // a change of the hash would be a change of the address
    main.focus();
  };
  document.body.append(h('a', { class: 'skip', href: '#content', text: t('app.skip'), on: { click: skip } }), topbar(scope), banners(scope, feed), main);

  let page = new Scope();
  let first = true;
  scope.watch(route, ({ page: name, id }) => {
    page.close();
    page = new Scope();
    main.replaceChildren();
    PAGES[name](main, page, id);
    document.title = t('app.title', { page: id || t(`nav.${name}`) });
    if (!first) {
      scrollTo(0, 0);
      main.querySelector('h1')?.focus({ preventScroll: true });
    }
    first = false;
  });
  scope.add(() => page.close());
}

function topbar(scope) {
  const name = h('span');
  scope.watch(plant, (value) => setText(name, value ? value.name || value.site || t('header.unnamed') : t('app.name')));

  const links = NAV.map((page) => h('a', { href: href(page), text: t(`nav.${page}`) }));
  scope.watch(route, ({ page }) => {
    for (const [k, link] of links.entries()) {
      if (NAV[k] === page) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  });

  const link = h('span', { class: 'connection', role: 'status' });
  scope.watch(connection, ({ state }) => {
    link.dataset.state = state;
    link.replaceChildren(icon(state), t(`connection.${state}`));
  });

  const clock = h('span');
  const tick = () => setText(clock, time(Date.now()));
  tick();
  scope.every(250, tick); // so that no second is shown late or skipped

  const toggle = h('button', { class: 'button icon-only', type: 'button', on: { click: toggleTheme } });
  scope.watch(theme, (value) => {
    const label = t(value === 'dark' ? 'header.theme_light' : 'header.theme_dark');
    toggle.setAttribute('aria-label', label);
    toggle.title = label;
    toggle.replaceChildren(icon(value === 'dark' ? 'sun' : 'moon'));
  });

  return h(
    'header',
    { class: 'topbar' },
    h('a', { class: 'brand', href: href('overview') }, h('img', { src: '/icon.svg', alt: '' }), name),
    h('nav', { class: 'nav', 'aria-label': t('nav.label') }, links),
    h('div', { class: 'topbar-end' }, link, h('span', { class: 'clock' }, clock, ' ', h('span', { class: 'zone', text: zone() })), languageSelect(), toggle, userMenu(scope)),
  );
}

function banners(scope, feed) {
  const stale = h('span');
  const lost = h(
    'div',
    { class: 'banner warn', role: 'status', hidden: true },
    icon('lost'),
    stale,
    h('button', { class: 'button', type: 'button', text: t('connection.retry'), on: { click: () => feed.retryNow() } }),
  );
  scope.watch(connection, ({ state, at }) => {
    const show = state === 'lost' && loading.value.state === 'ready';
    lost.hidden = !show;
    document.body.toggleAttribute('data-stale', show);
    if (show) setText(stale, t('connection.lost_since', { time: time(at) }));
  });

  const detail = h('span');
  const fill = h('div', { class: 'banner', hidden: true }, h('span', { class: 'progress', 'aria-hidden': 'true' }), h('strong', { text: t('fill.title') }), detail);
  const behind = h('div', { class: 'banner warn', hidden: true }, icon('lost'), h('span'));
  scope.watch(pipeline, (value) => {
    fill.hidden = !value?.historical;
    behind.hidden = !value || value.historical || value.lag_s < LAG_TOLD_S;
    if (!value) return;
    const pending = number(value.pending);
    if (value.historical) setText(detail, t('fill.detail', { time: time(value.judged_until), rate: number(value.welds_per_s), pending }));
    else setText(behind.lastChild, t('lag.detail', { lag: number(value.lag_s), pending }));
  });
  return h('div', { class: 'banners' }, lost, fill, behind);
}
