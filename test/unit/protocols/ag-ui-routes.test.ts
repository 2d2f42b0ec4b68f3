import { afterEach, describe, expect, test } from '@jest/globals';
import { inputOf } from '../../support/ag-ui-client.ts';
import {
  answerOf,
  codeOf,
  type HttpApp,
  post,
  startHttpApp,
} from '../../integration/http/harness.ts';

describe('the routes of AG-UI', () => {
  let app: HttpApp;
  afterEach(() => app.close());

  test('are not there where it is switched off', async () => {
    app = await startHttpApp({ PROTOCOLS: 'ai-sdk,openai' });

    expect(await codeOf(post(app, '/ag-ui', inputOf('hi')))).toBe('404 NOT_FOUND');
    expect(await codeOf(fetch(`${app.url}/ag-ui/info`))).toBe('404 NOT_FOUND');
  });

  test('start nothing while the server stops', async () => {
    app = await startHttpApp();
    app.state.draining = true;
    const refused = await answerOf(post(app, '/ag-ui', inputOf('hi')));

    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(app.generations.calls).toEqual([]);
  });

  test('start nothing for a user whose streams are too many, and free the place of what is refused', async () => {
    app = await startHttpApp({ MAX_STREAMS_PER_USER: '1' });
    for (let turn = 0; turn < 3; turn += 1) {
      expect(await codeOf(fetch(`${app.url}/ag-ui/runs/gen_none`))).toBe('404 NOT_FOUND');
    }
    const held = app.openStreams.reserve({ tenantId: 'default', userId: 'local' });

    expect(await codeOf(post(app, '/ag-ui', inputOf('hi')))).toBe('429 TOO_MANY_STREAMS');
    expect(app.generations.called('start')).toEqual([]);
    held.release();
  });

  test('answer other methods with what they take', async () => {
    app = await startHttpApp();
    const refused = await answerOf(fetch(`${app.url}/ag-ui`));

    expect(refused.status).toBe(405);
    expect(refused.headers.get('allow')).toBe('POST, OPTIONS');
  });
});
