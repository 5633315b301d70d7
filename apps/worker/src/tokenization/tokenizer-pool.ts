import { Worker } from 'node:worker_threads';
import { InvariantError, isErrorCode, RerankError } from '@rerank-fleet/core/errors';
import type { EncodedPairs, EncodedSequences, EncodePairsRequest, SequenceEncoder } from '../pipeline/sequence-encoder.js';
import type {
  TokenizerCall,
  TokenizerMessage,
  TokenizerModel,
  TokenizerReply,
  TokenizerThreadData,
  TokenizerWork,
} from './tokenizer-messages.js';

interface Pending {
  readonly resolve: (reply: TokenizerReply) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  worker: Worker;
  readonly pending: Map<number, Pending>;
}

/** Tokenizer threads: text stays off the main thread, whose loop renews the locks of tasks. */
export class TokenizerPool implements SequenceEncoder {
  readonly #data: TokenizerThreadData;
  readonly #threads: Thread[] = [];
  #nextId = 0;
  #closed = false;

  private constructor(data: TokenizerThreadData) {
    this.#data = data;
  }

  /** @throws Error of the thread if a tokenizer cannot be loaded */
  static async start(models: readonly TokenizerModel[], threads: number): Promise<TokenizerPool> {
    const pool = new TokenizerPool({ models });
    await Promise.all(Array.from({ length: threads }, () => pool.#startThread()));
    return pool;
  }

  async encodePairs(model: string, request: EncodePairsRequest): Promise<EncodedPairs> {
    const reply = await this.#call({ kind: 'pairs', model, request });
    if (!('pairs' in reply)) throw failureOf(reply);
    return reply.pairs;
  }

  async encodeTexts(model: string, texts: readonly string[], prefix: string): Promise<EncodedSequences> {
    const reply = await this.#call({ kind: 'texts', model, texts, prefix });
    if (!('sequences' in reply)) throw failureOf(reply);
    return reply.sequences;
  }

  async countTokens(model: string, texts: readonly string[]): Promise<Int32Array> {
    const reply = await this.#call({ kind: 'count', model, texts });
    if (!('counts' in reply)) throw failureOf(reply);
    return reply.counts;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  /** The thread with the least in hand. */
  #call(work: TokenizerWork): Promise<TokenizerReply> {
    const thread = this.#threads.reduce((least, candidate) => (candidate.pending.size < least.pending.size ? candidate : least));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      thread.pending.set(id, { resolve, reject });
      thread.worker.postMessage({ id, work } satisfies TokenizerCall);
    });
  }

  async #startThread(): Promise<void> {
    const thread: Thread = { worker: this.#spawn(), pending: new Map() };
    await this.#attach(thread);
    this.#threads.push(thread);
  }

  #spawn(): Worker {
    return new Worker(new URL('./tokenizer-thread.js', import.meta.url), { workerData: this.#data, name: 'tokenizer' });
  }

  /** A thread that dies takes its calls with it and is replaced at once. */
  #attach(thread: Thread): Promise<void> {
    return new Promise((resolve, reject) => {
      thread.worker.on('message', (message: TokenizerMessage) => {
        if ('ready' in message) return resolve();
        const pending = thread.pending.get(message.id);
        thread.pending.delete(message.id);
        return pending?.resolve(message);
      });
      thread.worker.once('error', reject);
      thread.worker.once('exit', () => {
        const lost = [...thread.pending.values()];
        thread.pending.clear();
        for (const { reject: rejectCall } of lost)
          rejectCall(new RerankError('model_unavailable', 'The tokenizer ended under the request; try again.', { retryAfterS: 1 }));
        reject(new Error('The tokenizer thread ended before it was ready.'));
        if (this.#closed || !this.#threads.includes(thread)) return;
        thread.worker = this.#spawn();
        this.#attach(thread).catch(() => undefined);
      });
    });
  }
}

function failureOf(reply: TokenizerReply): Error {
  if (!('error' in reply) || !isErrorCode(reply.error.code)) return new InvariantError('The tokenizer answered another question.');
  const { code, detail, errors, cause } = reply.error;
  return new RerankError(code, detail, { errors, ...(cause === undefined ? {} : { cause }) });
}
