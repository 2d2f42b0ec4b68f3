import { expect, test } from '@jest/globals';
import { request, startTurn } from '../../support/api.ts';
import { describeCluster } from '../../support/cluster.ts';
import { checkReader, readAll, truthOf } from '../../support/truth.ts';

describeCluster('two replicas', (clusters) => {
  test('start on one, read on the other, stop from the other', async () => {
    const { urls } = await clusters.start();
    const [one = '', other = ''] = urls;

    const turn = await startTurn(one, { text: 'say 60 5 w' });
    const read = await readAll(other, turn);

    checkReader(await truthOf(one, turn), read);
    expect(read.endings).toEqual(['clean']);
    expect(read.resets).toBe(0);

    const long = await startTurn(one, { text: 'say 3000 20 w' });
    const began = Date.now();
    const { generationId } = long;
    const stopped = await request(other, { path: '/api/chat/abort', body: { generationId } });
    expect(stopped.json).toMatchObject({ status: 'aborted', alreadyFinished: false });
    const rest = await readAll(one, long);
    expect(rest.done.data).toMatchObject({ status: 'aborted' });
    expect(Date.now() - began).toBeLessThan(5_000);
  }, 60_000);
});
