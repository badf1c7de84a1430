import './styles/main.css';

import { startApp } from './app.js';
import { startLive } from './live.js';
import { startRouter } from './router.js';

startRouter();
startApp(startLive());
