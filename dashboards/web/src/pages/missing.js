import { h } from '../dom.js';
import { t } from '../i18n.js';
import { href } from '../router.js';

export function missing(root) {
  root.append(
    h('div', { class: 'notice' }, h('h1', { tabindex: -1, text: t('state.not_found_page') }), h('p', {}, h('a', { href: href('overview'), text: t('state.to_overview') }))),
  );
}
