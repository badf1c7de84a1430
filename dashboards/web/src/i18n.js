// The page's words. Every visible text comes from here; one JSON file per language, the same keys in each.

import en from './i18n/en.json';
import zhCN from './i18n/zh-CN.json';
import { Topic } from './store.js';

const WORDS = { en, 'zh-CN': zhCN };
const STORAGE_KEY = 'lineside.language';

/** Languages by their tag, each named in itself. */
export const LANGUAGES = { en: 'English', 'zh-CN': '简体中文' };

/** The language now shown, a key of LANGUAGES. */
export const language = new Topic(preferred());

function preferred() {
  const saved = localStorage.getItem(STORAGE_KEY);
  if (saved in WORDS) return saved;
  for (const tag of navigator.languages) {
    if (tag.toLowerCase().startsWith('zh')) return 'zh-CN';
    if (tag.toLowerCase().startsWith('en')) return 'en';
  }
  return 'en';
}

export function setLanguage(tag) {
  localStorage.setItem(STORAGE_KEY, tag);
  language.set(tag);
}

/** The tag for Intl: the viewer's own variety (en-GB, zh-Hans-CN…) where it is of the language shown. */
export function locale() {
  const [primary] = language.value.split('-');
  return navigator.languages.find((tag) => tag.split('-')[0].toLowerCase() === primary) ?? language.value;
}

/** The text of `key` with `{name}` replaced by `values.name`. */
export function t(key, values = {}) {
  const text = WORDS[language.value][key];
  if (text === undefined) {
    console.error(`no text for ${key}`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Whether `key` has a text: for names that come from outside and may be newer than this page. */
export const has = (key) => key in en;
