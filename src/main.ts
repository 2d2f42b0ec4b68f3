import { runHoldfast } from './program.ts';

/** The built-in agents, configured by the environment. */
await runHoldfast({ env: process.env });
