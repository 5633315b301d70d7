import { parentPort, workerData } from 'node:worker_threads';
import { invariant, RerankError } from '@rerank-fleet/core/errors';
import type { Pace } from '@rerank-fleet/core/retrieval';
import { TextDesk } from './text-desk.js';
import type { CancelCall, PingCall, TextCall, TextMessage, TextReply, TextThreadData } from './text-messages.js';
import { Turns } from './turns.js';

const port = parentPort;
invariant(port, 'The text thread was started outside a worker thread.');

const desk = new TextDesk(workerData as TextThreadData);
const turns = new Turns();
const cancels = new Map<number, () => void>();

const epochNow = (): number => performance.timeOrigin + performance.now();

async function serve({ id, work }: TextCall, pace: Pace): Promise<void> {
  const startedAt = epochNow();
  try {
    const answer = await desk.answer(work, pace);
    port?.postMessage({ id, answer, startedAt, endedAt: epochNow() } satisfies TextMessage, buffersOf(answer));
  } catch (error) {
    port?.postMessage({ id, error: describe(error) } satisfies TextMessage);
  } finally {
    cancels.delete(id);
  }
}

/** An answer holds typed arrays that own their buffers, and objects of such. */
function buffersOf(answer: object): ArrayBuffer[] {
  return Object.values(answer).flatMap((part: object) => (ArrayBuffer.isView(part) ? [part.buffer as ArrayBuffer] : buffersOf(part)));
}

/** What went wrong inside is for the log, not for the client. */
function describe(error: unknown): Extract<TextReply, { error: unknown }>['error'] {
  if (error instanceof RerankError) return { code: error.code, detail: error.detail, errors: error.errors };
  return { code: 'internal_error', detail: 'The tokenizer failed on one of the texts.', errors: [], cause: String(error) };
}

port.on('message', (message: TextCall | CancelCall | PingCall) => {
  if ('ping' in message) port.postMessage({ alive: true } satisfies TextMessage);
  else if ('cancel' in message) cancels.get(message.cancel)?.();
  else
    cancels.set(
      message.id,
      turns.begin(message.priority, (pace) => serve(message, pace)),
    );
});

port.postMessage({ ready: true } satisfies TextMessage);
