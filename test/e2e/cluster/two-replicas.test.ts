import { expect, test } from '@jest/globals';
import { request, startTurn } from '../../support/api.ts';
import { describeCluster } from '../../support/cluster.ts';
import { list, object } from '../../support/shape.ts';
import { checkReader, readAll, truthOf } from '../../support/truth.ts';

describeCluster('two replicas', (clusters) => {
  test('start on one, read on the other, steer and stop from the other', async () => {
    const { urls } = await clusters.start();
    const [one = '', other = ''] = urls;

    const turn = await startTurn(one, { text: 'say 60 5 w' });
    const read = await readAll(other, turn);

    checkReader(await truthOf(one, turn), read);
    expect(read.endings).toEqual(['clean']);
    expect(read.resets).toBe(0);

    const steered = await startTurn(one, { text: 'say 150 20 w' });
    const { conversationId, generationId: live } = steered;
    const words = { conversationId, messageId: 'add', text: 'say 3 5 more', onBusy: 'steer' };
    const told = await request(other, { path: '/api/chat', body: words });
    expect(told).toMatchObject({ status: 202, json: { status: 'steered', generationId: live } });
    const heard = await readAll(other, steered);
    checkReader(await truthOf(one, steered), heard);
    // It may come before the first word.
    const content = list(object(heard.done.data['message'])['content']);
    expect(content.slice(-2)).toMatchObject([
      { type: 'steered', messageId: 'add', heard: true },
      { type: 'text', text: 'more1 more2 more3' },
    ]);

    const long = await startTurn(one, { text: 'say 3000 20 w' });
    const began = Date.now();
    const { generationId } = long;
    const stopped = await request(other, { path: '/api/chat/abort', body: { generationId } });
    expect(stopped.json).toMatchObject({ status: 'aborted', alreadyFinished: false });
    const rest = await readAll(one, long);
    expect(rest.done.data).toMatchObject({ status: 'aborted' });
    // The whole answer would take a minute.
    expect(Date.now() - began).toBeLessThan(30_000);
  }, 90_000);
});
