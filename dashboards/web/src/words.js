// Names of the plant's things in the viewer's language, and a verdict said in a sentence.

import { number, significant } from './format.js';
import { has, t } from './i18n.js';

const worded = (prefix) => (name) => (has(`${prefix}.${name}`) ? t(`${prefix}.${name}`) : name);

export const causeName = worded('cause');
export const causeShort = worded('cause_short');
export const featureName = worded('feature');
export const featureUnit = worded('unit');
export const verdictName = (verdict) => t(`verdict.${verdict || 'unseen'}`);
export const activityName = worded('activity');
export const sourceStateName = worded('source_state');
export const modeName = worded('mode');
export const phaseName = worded('phase');
export const channelName = worded('channel');
export const eventName = worded('event');
export const resultName = worded('result');
export const methodName = worded('method');
export const groupName = worded('group');

/** Unit of what a curve's trace is of. */
export const quantityUnit = (quantity) => (quantity === 'voltage_v' ? 'V' : 'µΩ');

/** The state of a spot on the map: its verdict, or 'unseen'. */
export const stateOf = ({ verdict }) => verdict || 'unseen';

/** Why a weld got its verdict: cause, the deciding feature, and its distance from the reference. */
export function sentence(weld) {
  const { verdict, cause, lead, value, centre, sigma } = weld;
  if (verdict === 'unjudged') {
    if (cause === 'learning' && weld.reference_n > 0) return t('sentence.learning', { n: number(weld.reference_n) });
    return t('sentence.unjudged', { cause: causeName(cause) });
  }
  const z = (value - centre) / sigma;
  const compared = lead && value !== null && centre !== null && Number.isFinite(z);
  if (!compared) return verdict === 'ok' ? t('sentence.ok') : t('sentence.defect', { cause: causeName(cause) });
  const values = {
    cause: causeName(cause),
    feature: featureName(lead),
    unit: featureUnit(lead),
    value: significant(value),
    centre: significant(centre),
    sigma: significant(sigma, 2),
    z: number(Math.abs(z), 1),
  };
  return t(`sentence.${verdict}_${z < 0 ? 'below' : 'above'}`, values);
}
