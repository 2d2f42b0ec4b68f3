import { verifyEvents } from '@ag-ui/client';
import type { BaseEvent } from '@ag-ui/core';
import { EventSchemas } from '@ag-ui/core/schemas';
import { from, lastValueFrom, toArray } from 'rxjs';
import { isShape, text } from './shape.ts';

/** The stock client's own checks of a stream, over frames as they came. */

export interface AgUiEvent {
  type: string;
  [key: string]: unknown;
}

export interface AgUiFrame {
  id: string | undefined;
  /** As it came, with the empty line. */
  text: string;
  event: AgUiEvent;
}

function eventOf(data: string): AgUiEvent {
  const json: unknown = JSON.parse(data);
  EventSchemas.parse(json);
  if (!isShape(json)) throw new Error(`no event: ${data}`);
  return { ...json, type: text(json['type'], 'type') };
}

/** Data frames of a body; comments are left out. */
export function framesOf(body: string): AgUiFrame[] {
  if (body.includes('\r')) throw new Error('LF only');
  if (body.includes('[DONE]')) throw new Error('no [DONE]');
  return body
    .split('\n\n')
    .filter((block) => block.includes('data: '))
    .map((block) => {
      const [whole, id, data = ''] = /^(?:id: (\S+)\n)?data: (.*)$/.exec(block) ?? [];
      if (whole === undefined) throw new Error(`no frame: ${block}`);
      return { id, text: `${block}\n\n`, event: eventOf(data) };
    });
}

function isEvent(event: unknown): event is BaseEvent {
  return EventSchemas.safeParse(event).success;
}

/** Rejects as the stock client does. */
export async function verified(events: readonly AgUiEvent[]): Promise<void> {
  const sound = events.filter(isEvent);
  if (sound.length < events.length) throw new Error('not all of them are events');
  await lastValueFrom(from(sound).pipe(verifyEvents(), toArray()));
}

/** The types, each stretch of one named once; without CUSTOM. */
export function course(events: readonly AgUiEvent[]): string[] {
  const types = events.map(({ type }) => type).filter((type) => type !== 'CUSTOM');
  return types.filter((type, index) => type !== types[index - 1]);
}
