import { RerankError } from '@rerank-fleet/core/errors';
import { describe, expect, it, vi } from 'vitest';
import { JobPlace } from './job-place.js';

const ROW = { row: 1, json: '{}', pairs: 1, tokens: 1 };

/** An upload that grows a row at a time, in room for so many. */
async function start(room: number) {
  const upload = { id: 'upload', total: 0, bytes: 0 };
  const hold = vi.fn(async ({ rows }: { readonly rows: number }) => ({ rows: room - rows, bytes: 1_000_000 }));
  const place = new JobPlace(upload, 0, hold);
  await place.hold();
  const sink = place.around({ add: () => void (upload.total += 1), reject: () => undefined });
  const send = async (rows: number): Promise<void> => {
    for (let at = 0; at < rows; at += 1) await sink.add(ROW);
  };
  const loseRedis = () => hold.mockRejectedValue(new RerankError('queue_unavailable', 'Away.'));
  return { place, hold, send, loseRedis };
}

describe(JobPlace, () => {
  it('goes on as far as is known to fit while Redis is away, and does not ask it for every row', async () => {
    const { hold, send, loseRedis, place } = await start(40_000);
    loseRedis();
    await send(39_000);
    expect(hold.mock.calls.length).toBeLessThan(10);
    await place.settle({ rows: 39_000, bytes: 0 });
  });

  it('is refused beyond while Redis is away', async () => {
    const { send, loseRedis } = await start(20_000);
    loseRedis();
    await expect(send(20_001)).rejects.toMatchObject({ code: 'queue_unavailable' });
  });
});
