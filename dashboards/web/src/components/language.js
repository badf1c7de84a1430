import { h } from '../dom.js';
import { LANGUAGES, language, setLanguage, t } from '../i18n.js';

/** The choice of language. */
export function languageSelect() {
  const select = h(
    'select',
    { id: 'language', class: 'button', 'aria-label': t('header.language'), on: { change: () => setLanguage(select.value) } },
    Object.entries(LANGUAGES).map(([tag, text]) => h('option', { value: tag, text, lang: tag, selected: tag === language.value })),
  );
  return select;
}
