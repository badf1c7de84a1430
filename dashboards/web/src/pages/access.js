// Who may do what, and who did: users, machines' tokens and the audit log. For administrators.

import { auditPanel } from '../access/audit.js';
import { tokensPanel } from '../access/tokens.js';
import { usersPanel } from '../access/users.js';
import { h } from '../dom.js';
import { t } from '../i18n.js';
import { may } from '../session.js';

export function accessPage(root, scope) {
  const title = h('h1', { class: 'visually-hidden', tabindex: -1, text: t('nav.access') });
  if (!may('administrator')) {
    root.append(title, h('p', { class: 'notice', text: t('access.administrators') }));
    return;
  }
  const audit = auditPanel(scope);
  root.append(title, h('div', { class: 'access-page' }, usersPanel(scope, audit.reload), tokensPanel(scope, audit.reload), audit.element));
}
