/** What takes longest begins first, so that no worker is left with it alone at the end. */
const ORDER = ['e2e/page/', 'e2e/cluster/', 'e2e/', 'integration/', 'sim/', 'contract/'];

function rank(path) {
  const place = ORDER.findIndex((folder) =>
    path.replace('/.groups', '').includes(`/test/${folder}`),
  );
  return place < 0 ? ORDER.length : place;
}

/** A test sequencer as jest wants it: an order of files, and no memory of earlier runs. */
export default class LongestFirst {
  sort(tests) {
    return tests.toSorted((a, b) => rank(a.path) - rank(b.path) || (a.path < b.path ? -1 : 1));
  }

  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {}
}
