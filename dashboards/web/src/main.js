import './styles/main.css';

import { startApp } from './app.js';
import { startLive } from './live.js';
import { startRouter } from './router.js';
import { startSession } from './signing.js';

startRouter();
await startSession();
startApp(startLive());
