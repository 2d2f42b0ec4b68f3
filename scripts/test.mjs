// npm test: installs and builds what is missing (end-to-end tests start dist/main.js), starts a MongoDB if it can
// (unless MONGODB_URI names one), then runs jest with the arguments given.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT, build, checkNode, inHouse, install } from './lib/house.mjs';
import { mongoForTests } from './lib/mongo.mjs';

const NODE_OPTIONS = [
  process.env.NODE_OPTIONS,
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
];

await inHouse(async () => {
  checkNode(process.versions.node);
  install();
  build();
  const mongo = await mongoForTests(process.env);
  const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const child = spawn(process.execPath, [jest, ...process.argv.slice(2)], {
    cwd: ROOT,
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_OPTIONS: NODE_OPTIONS.filter(Boolean).join(' '),
      // A developer's LangSmith key in the environment must not make tests report to it.
      LANGSMITH_TRACING: 'false',
      ...(mongo.uri === '' ? {} : { MONGODB_URI: mongo.uri }),
    },
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 1;
  await mongo.stop();
});
