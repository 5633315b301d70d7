import { describe, expect, it } from 'vitest';
import { serverEvents, type ServerEvent } from './event-stream.js';

async function eventsOf(text: string): Promise<ServerEvent[]> {
  async function* lines(): AsyncGenerator<string> {
    yield* text.split('\n').slice(0, -1);
  }
  const events: ServerEvent[] = [];
  for await (const event of serverEvents(lines())) events.push(event);
  return events;
}

describe('serverEvents', () => {
  it('reads ids, types and data of several lines, and leaves comments out', async () => {
    expect(await eventsOf('retry: 2000\n\nid: 7\nevent: job\ndata: {"a":1,\ndata:"b":2}\n\n:\n\ndata\n\n')).toEqual([
      { id: '7', type: 'job', data: '{"a":1,\n"b":2}' },
      { id: '7', type: 'message', data: '' },
    ]);
  });

  it('gives no event that was cut off', async () => {
    expect(await eventsOf('data: whole\n\ndata: cut\n')).toEqual([{ id: undefined, type: 'message', data: 'whole' }]);
  });
});
