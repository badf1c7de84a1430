// Numbers and times in the viewer's own form and zone.

import { language, locale } from './i18n.js';

const cache = new Map();
language.on(() => cache.clear());

function formatter(Kind, options) {
  const key = `${Kind.name}${JSON.stringify(options)}`;
  if (!cache.has(key)) cache.set(key, new Kind(locale(), options));
  return cache.get(key);
}

const NONE = '–';
const missing = (value) => value === null || value === undefined || Number.isNaN(value);

/** An integer, or a number with a fixed count of decimals. */
export function number(value, decimals = 0) {
  if (missing(value)) return NONE;
  const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return formatter(Intl.NumberFormat, options).format(value);
}

/** A measured value to so many significant digits. */
export function significant(value, digits = 4) {
  if (missing(value)) return NONE;
  return formatter(Intl.NumberFormat, { maximumSignificantDigits: digits }).format(value);
}

/** How many decimals of a percentage still show that `rate` is not 100 %. */
export function decimalsOf(rate) {
  let decimals = 2;
  while (rate < 1 && decimals < 4 && Number((rate * 100).toFixed(decimals)) === 100) decimals += 1;
  return decimals;
}

/** A share (0..1) as a percentage without the sign; one that is short of 100 is never rounded up to it. */
export function percent(share, decimals = decimalsOf(share ?? 1)) {
  return missing(share) ? NONE : number(share * 100, decimals);
}

/** The ends of an interval of a rate object, in the decimals of its rate. */
export function interval({ rate, low, high }) {
  if (missing(low) || missing(high)) return NONE;
  const decimals = decimalsOf(rate ?? 1);
  return `[${percent(low, decimals)}, ${percent(high, decimals)}]`;
}

const TIME = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };

/** The time of day to the second; with the date when it is not today. */
export function time(value) {
  if (missing(value)) return NONE;
  const date = new Date(value);
  const today = date.toDateString() === new Date().toDateString();
  return formatter(Intl.DateTimeFormat, today ? TIME : { month: 'short', day: 'numeric', ...TIME }).format(date);
}

/** The time of day to the minute. */
export function minute(value) {
  if (missing(value)) return NONE;
  const { second, ...options } = TIME;
  return formatter(Intl.DateTimeFormat, options).format(new Date(value));
}

/** The short name of the viewer's zone. */
export function zone() {
  const parts = formatter(Intl.DateTimeFormat, { timeZoneName: 'short' }).formatToParts(new Date());
  return parts.find((part) => part.type === 'timeZoneName').value;
}

/** How long ago, in words. */
export function ago(value, now = Date.now()) {
  if (missing(value)) return NONE;
  const seconds = Math.max(0, (now - new Date(value)) / 1000);
  const [unit, size] = seconds < 90 ? ['second', 1] : seconds < 5400 ? ['minute', 60] : seconds < 129600 ? ['hour', 3600] : ['day', 86400];
  const options = { numeric: 'always', style: 'short' };
  return formatter(Intl.RelativeTimeFormat, options).format(-Math.round(seconds / size), unit);
}

/** The date, day and month. */
export function day(value) {
  return formatter(Intl.DateTimeFormat, { weekday: 'short', month: 'short', day: 'numeric' }).format(new Date(value));
}
