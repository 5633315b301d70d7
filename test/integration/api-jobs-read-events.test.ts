import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { batchJobSchema, type BatchJobBody } from '@rerank-fleet/core/contracts';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RedisServer } from '../support/redis-server.js';
import { JobsReadApi, StreamClient } from './api-jobs-read-support.js';

let redis: RedisServer;
let stack: JobsReadApi;
let connection: Awaited<ReturnType<typeof connectRedis>>;

beforeAll(async () => {
  redis = await RedisServer.start();
  connection = await connectRedis(redis.url, { role: 'consumer', name: 'test' });
});
beforeEach(async () => {
  await connection.flushall();
  stack = await JobsReadApi.start({ redis });
});
afterEach(() => stack.close());
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

const FOUR = [true, true, true, true];

interface JobEvent {
  readonly id: string;
  readonly event: string;
  readonly job: BatchJobBody;
}

/** As the specification of server-sent events has them: blocks of fields, ended by an empty line. */
function eventsOf({ text }: StreamClient): JobEvent[] {
  const blocks = text.split('\n\n').slice(0, -1);
  return blocks.flatMap((block) => {
    const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
    const data = fields.get('data');
    if (data === undefined) return [];
    return [{ id: fields.get('id') ?? '', event: fields.get('event') ?? '', job: batchJobSchema.parse(JSON.parse(data)) }];
  });
}

async function watch(id: string, lastEventId?: string, api = stack): Promise<StreamClient> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  return (await StreamClient.open(`${api.api.url}/v1/jobs/${id}/events`, headers)).read();
}
const counted = (client: StreamClient) => eventsOf(client).at(-1)?.job.request_counts.succeeded;

describe('GET /v1/jobs/{id}/events', () => {
  it('tells how a job stands at once, each change, and its end', async () => {
    const record = await stack.submit(FOUR);
    const client = await watch(record.id);
    expect(client.response.headers).toMatchObject({ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
    await expect.poll(() => counted(client)).toBe(0);
    await stack.finishSlice(record, 1);
    await expect.poll(() => counted(client), { timeout: 10_000 }).toBe(2);
    await stack.finishSlice(record, 0);
    expect(await client.end()).toBe(true);
    const events = eventsOf(client);
    expect(new Set(events.map(({ event }) => event))).toEqual(new Set(['job']));
    expect(events.at(-1)).toMatchObject({ id: 'end', job: { status: 'completed', request_counts: { succeeded: 4 } } });
  });

  it('goes on where a client was, in another process, too', async () => {
    const other = await JobsReadApi.start({ redis, directory: stack.api.directory });
    try {
      const record = await stack.submit([...FOUR, ...FOUR]);
      const first = await watch(record.id);
      await stack.finishSlice(record, 0);
      await expect.poll(() => counted(first), { timeout: 10_000 }).toBe(2);
      first.leave();
      const seen = eventsOf(first).at(-1)!.id;
      const second = await watch(record.id, seen, other);
      // A client that has seen nothing yet is told at once; the other one has seen all.
      const fresh = await watch(record.id, undefined, other);
      await expect.poll(() => counted(fresh)).toBe(2);
      expect(eventsOf(second)).toEqual([]);
      await stack.finishSlice(record, 2);
      await expect.poll(() => counted(second), { timeout: 10_000 }).toBe(4);
      second.leave();
      fresh.leave();
      await stack.finishSlice(record, 1);
      await stack.finishSlice(record, 3);
      const third = await watch(record.id, seen);
      expect(await third.end()).toBe(true);
      expect(eventsOf(third).map(({ id, job }) => [id, job.status])).toEqual([['end', 'completed']]);
      expect((await stack.get(`/v1/jobs/${record.id}/events`, { 'last-event-id': 'end' })).status).toBe(204);
    } finally {
      await other.close();
    }
  });

  it('sends a few events for many changes, to many listeners by the same reads', async () => {
    const record = await stack.submit(Array.from({ length: 160 }, () => true));
    const clients = await Promise.all(Array.from({ length: 50 }, () => watch(record.id)));
    await Promise.all(clients.map((client) => expect.poll(() => eventsOf(client).length).toBeGreaterThan(0)));
    const reads = async (): Promise<number> => Number(/cmdstat_hgetall:calls=(\d+)/.exec(await connection.info('commandstats'))?.[1] ?? 0);
    const before = { reads: await reads(), at: performance.now() };
    for (let slice = 0; slice < record.slices; slice += 1) await stack.finishSlice(record, slice);
    for (const client of clients) expect(await client.end()).toBe(true);
    const seconds = (performance.now() - before.at) / 1_000;
    for (const client of clients) {
      expect(eventsOf(client).at(-1)?.job.status).toBe('completed');
      expect(eventsOf(client).length).toBeLessThan(seconds * 4 + 4);
    }
    // Each end of a job asks once, too; fifty listeners for themselves would ask fifty times as often.
    expect((await reads()) - before.reads).toBeLessThan(seconds * 5 + 15);
  });

  it('finds changes that nothing told of, and outlives that Redis is away', async () => {
    const own = await RedisServer.start();
    const api = await JobsReadApi.start({ redis: own });
    try {
      const record = await api.submit(FOUR);
      const client = await watch(record.id, undefined, api);
      await expect.poll(() => counted(client)).toBe(0);
      await own.kill();
      await own.resume();
      await expect
        .poll(
          () =>
            api.finishSlice(record, 0).then(
              () => true,
              () => false,
            ),
          { timeout: 10_000 },
        )
        .toBe(true);
      await expect.poll(() => counted(client), { timeout: 15_000 }).toBe(2);
      await api.finishSlice(record, 1);
      expect(await client.end()).toBe(true);
    } finally {
      await api.close();
      await own.stop();
    }
  });

  it('ends streams when the server closes: one of events well, one of results so that the client goes on', async () => {
    const record = await stack.submit(FOUR);
    const events = await watch(record.id);
    const results = (await StreamClient.open(`${stack.api.url}/v1/jobs/${record.id}/results?follow=true`)).read();
    await expect.poll(() => counted(events)).toBe(0);
    await stack.close();
    expect(await events.end()).toBe(true);
    expect(await results.end()).toBe(false);
    stack = await JobsReadApi.start({ redis });
  });

  it('lets go of the connection of a stream that ends as the server closes', async () => {
    const record = await stack.submit(FOUR);
    const { hostname, port, host } = new URL(stack.api.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET /v1/jobs/${record.id}/events HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await once(socket, 'data');
    const rest = text(socket);
    await stack.close();
    expect(await rest).toMatch(/\r\n0\r\n\r\n$/);
    stack = await JobsReadApi.start({ redis });
  });
});
