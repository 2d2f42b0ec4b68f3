import { runHoldfast } from 'holdfast';
import { florist } from './florist.mjs';
import { postman } from './postman.mjs';
import { storyteller } from './storyteller.mjs';

// Configured by the environment as `npm start` is. The first agent answers where a client names none.
await runHoldfast({ agents: [storyteller, postman, florist] });
