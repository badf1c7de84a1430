// Who is logged in, and what that allows. While a plant has no users everybody may do everything, as `anyone`.

import { Topic } from './store.js';

const ROLES = ['viewer', 'engineer', 'administrator'];

/** `{kind, name, role}` as the API has it, or null as long as the server has not answered. */
export const session = new Topic(null);

/** Whether the viewer may do what `role` may; what the page offers is a courtesy, and the server decides. */
export const may = (role) => session.value === null || ROLES.indexOf(session.value.role) >= ROLES.indexOf(role);

/** Whether the server knows the viewer's name by itself. */
export const isNamed = () => session.value?.kind === 'user';
