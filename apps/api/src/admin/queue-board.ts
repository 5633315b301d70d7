import type { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type { BaseAdapter } from '@bull-board/api/baseAdapter';
import type { Config } from '@rerank-fleet/core/config';
import type { FastifyInstance } from 'fastify';
import type { ApiKeyRing } from '../auth/api-key-ring.js';
import { BOARD_PATH, guardBoard } from './guard-board.js';
import { hideTexts } from './hide-texts.js';

/** A queue of BullMQ, of which this application knows no more. */
export type BoardQueue = ConstructorParameters<typeof BullMQAdapter>[0];

export interface QueueBoardParts {
  readonly mode: Config['operators']['queueBoard'];
  readonly ring: ApiKeyRing;
  readonly boardQueue: (name: string) => BoardQueue;
  /** Every queue of the fleet. */
  readonly queueNames: () => Promise<readonly string[]>;
}

/** A pool that is new is shown this late. */
const LOOK_MS = 2_000;
/** The page links a font of another host; nothing is fetched from elsewhere, and browsers have fonts. */
const FOREIGN_LINK = /<link\b[^>]*\bhref="https?:[^>]*>\s*/g;

/** Serves Bull Board to operators; nothing of it is loaded where it is off. Must be installed after the edge and before the application starts. */
export async function installQueueBoard(instance: FastifyInstance, { mode, ring, boardQueue, queueNames }: QueueBoardParts): Promise<void> {
  if (mode === 'off') return;
  const [{ createBullBoard }, { BullMQAdapter: QueueAdapter }, { FastifyAdapter }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('@bull-board/fastify'),
  ]);
  const serverAdapter = new FastifyAdapter().setBasePath(BOARD_PATH);
  const board = createBullBoard({
    queues: [],
    serverAdapter,
    // Workers are shown by /v1/admin/workers, and the link to the documentation leads elsewhere.
    options: { uiConfig: { boardTitle: 'rerank-fleet', hideDocsLink: true, showWorkers: false } },
  });
  const adapters = new Map<string, BaseAdapter>();
  const show = (name: string): BaseAdapter => {
    const adapter = adapters.get(name) ?? new QueueAdapter(boardQueue(name), { readOnlyMode: mode === 'read-only' });
    adapter.setFormatter('data', hideTexts);
    adapters.set(name, adapter);
    return adapter;
  };
  let lookedAt = -Infinity;
  void instance.register(async (scope) => {
    guardBoard(scope, { ring, mode });
    scope.addHook('onRequest', async () => {
      if (performance.now() - lookedAt < LOOK_MS) return;
      lookedAt = performance.now();
      board.setQueues((await queueNames()).map(show));
    });
    scope.addHook('onSend', async (_request, reply, payload) => {
      const isPage = String(reply.getHeader('content-type')).startsWith('text/html');
      return isPage && typeof payload === 'string' ? payload.replaceAll(FOREIGN_LINK, '') : payload;
    });
    await scope.register(serverAdapter.registerPlugin(), { prefix: BOARD_PATH });
  });
}
