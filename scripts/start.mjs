// npm start: installs and builds what is missing, then is the server: signals and kill -9 meet no wrapper.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HouseError, ROOT, build, checkNode, inHouse, install } from './lib/house.mjs';

await inHouse(async () => {
  checkNode(process.versions.node);
  install();
  build();
  const main = join(ROOT, 'dist', 'main.js');
  if (!existsSync(main))
    throw new HouseError('dist/main.js is missing. Remove dist and try again.');
  await import(pathToFileURL(main).href);
});
