import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { openService, type Service, type ServiceOptions } from '../../src/service.ts';
import { request, turnOf, type ApiAnswer, type Turn } from './api.ts';
import { startFakeOpenAi } from './fake-openai.ts';
import type { Answer, FakeOpenAi } from './fake-openai.ts';
import { eventually } from './services.ts';
import { isShape, type Shape } from './shape.ts';

/** Services of one folder with a `holdfast.yaml`, one after the other, and providers that answer as they are told. */
export class FileServices implements AsyncDisposable {
  readonly folder: string;
  readonly #services: Service[] = [];
  readonly #providers: FakeOpenAi[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<FileServices> {
    return new FileServices(await mkdtemp(join(tmpdir(), 'holdfast-file-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#services.map((service) => service.close()));
    await Promise.all(this.#providers.map((provider) => provider[Symbol.asyncDispose]()));
    await rm(this.folder, { recursive: true });
  }

  async provider(...answers: Answer[]): Promise<FakeOpenAi> {
    const made = await startFakeOpenAi(answers);
    this.#providers.push(made);
    return made;
  }

  write(text: string): Promise<void> {
    return writeFile(join(this.folder, 'holdfast.yaml'), text);
  }

  async start(text: string, more: ServiceOptions = {}): Promise<Service> {
    await this.write(text);
    const service = await openService({
      ...more,
      env: {
        PORT: '0',
        LOG_LEVEL: 'silent',
        DATA_DIR: this.folder,
        DRAIN_GRACE: '0ms',
        HOLDFAST_CONFIG: join(this.folder, 'holdfast.yaml'),
        MY_KEY: 'sk-of-the-file',
      },
    });
    this.#services.push(service);
    return service;
  }
}

/** The head of a file whose models `local:…` are the provider's. */
export const local = ({ baseURL }: FakeOpenAi): string =>
  `providers: { local: { type: openai, baseUrl: "${baseURL}", apiKey: "\${MY_KEY}" } }\n`;

export async function generationOf(service: Service, turn: Turn): Promise<Shape> {
  const path = `/api/chat/status/${turn.conversationId}`;
  const { generation } = (await request(service.url, { path })).json;
  return isShape(generation) ? generation : {};
}

/** A turn, until it waits or is over. */
export async function ask(service: Service, text: string, more: Shape = {}) {
  const begun = await request(service.url, { path: '/api/chat', body: { text, ...more } });
  const turn = turnOf(begun.json);
  let generation: Shape = {};
  await eventually('the answer waits or is over', async () => {
    generation = await generationOf(service, turn);
    return !['queued', 'running', 'finalizing'].includes(String(generation['status']));
  });
  return { turn, generation };
}

export function approve(
  service: Service,
  turn: Turn,
  { pendingAction }: Shape,
): Promise<ApiAnswer> {
  const action = z
    .object({ actionId: z.string(), requests: z.array(z.object({ toolCallId: z.string() })) })
    .parse(pendingAction);
  const decisions = action.requests.map(({ toolCallId }) => ({ toolCallId, decision: 'approve' }));
  const body = { generationId: turn.generationId, actionId: action.actionId, decisions };
  return request(service.url, { path: '/api/chat/resume', body });
}

export const streamOf = async (service: Service, turn: Turn): Promise<string> =>
  (await request(service.url, { path: turn.streamPath })).text;
