import type { ReindexBody, reindexRequestSchema } from '@rerank-fleet/core/contracts';
import type { z } from 'zod';
import { ANSWERS } from './answer-schemas.js';
import type { CallOptions, HttpTransport } from './http-transport.js';
import { pollUntil, type PollOptions } from './job-wait.js';
import { segment } from './url-segment.js';

/** What is left out stays as it is in the corpus. */
export type ReindexParameters = z.input<typeof reindexRequestSchema>;

export interface ListReindexesOptions extends CallOptions {
  /** Of this corpus only. */
  readonly corpus?: string | undefined;
}

/** Reindexes of corpora, for keys with the scope `admin`. Each call but `wait` resolves with the reindex as it stands after it. */
export class ReindexCalls {
  readonly #transport: HttpTransport;

  constructor(transport: HttpTransport) {
    this.#transport = transport;
  }

  /** Resolves when it is begun; it goes on by itself. */
  start(corpus: string, parameters: ReindexParameters = {}, options: CallOptions = {}): Promise<ReindexBody> {
    const path = `/v1/admin/corpora/${segment(corpus)}/reindex`;
    // Not retried where it may have been done: the second would find the first in its way.
    return this.#transport.send({ method: 'POST', path, json: parameters, answer: ANSWERS.reindex, idempotent: false }, options);
  }

  /** Newest first. */
  async list({ corpus, ...options }: ListReindexesOptions = {}): Promise<ReindexBody[]> {
    const path = `/v1/admin/reindex${corpus === undefined ? '' : `?corpus=${segment(corpus)}`}`;
    const list = await this.#transport.send({ method: 'GET', path, answer: ANSWERS.reindexes, idempotent: true }, options);
    return list.data;
  }

  get(id: string, options: CallOptions = {}): Promise<ReindexBody> {
    return this.#transport.send({ method: 'GET', path: reindexPath(id), answer: ANSWERS.reindex, idempotent: true }, options);
  }

  /** Resolves when it has ended, however it did, or waits to be promoted by hand. Outlasts a restart of the service of up to 30 s. */
  wait(id: string, options: PollOptions<ReindexBody> = {}): Promise<ReindexBody> {
    return pollUntil((signal) => this.get(id, { signal }), isSettled, options);
  }

  /** @param perSecond documents a second; undefined for no limit */
  rethrottle(id: string, perSecond: number | undefined, options: CallOptions = {}): Promise<ReindexBody> {
    return this.#control(id, `rethrottle?requests_per_second=${perSecond ?? 'unlimited'}`, options);
  }

  /** One that has ended stays as it is. */
  cancel(id: string, options: CallOptions = {}): Promise<ReindexBody> {
    return this.#control(id, 'cancel', options);
  }

  promote(id: string, options: CallOptions = {}): Promise<ReindexBody> {
    return this.#control(id, 'promote', options);
  }

  rollback(id: string, options: CallOptions = {}): Promise<ReindexBody> {
    return this.#control(id, 'rollback', options);
  }

  /** Doing any of them twice is doing it once. */
  #control(id: string, action: string, options: CallOptions): Promise<ReindexBody> {
    const path = `${reindexPath(id)}/${action}`;
    return this.#transport.send({ method: 'POST', path, answer: ANSWERS.reindex, idempotent: true }, options);
  }
}

/** It will not change any more by itself. */
export function isSettled({ status, promote }: Pick<ReindexBody, 'status' | 'promote'>): boolean {
  return status !== 'building' && status !== 'validating' && !(status === 'ready' && promote === 'auto');
}

function reindexPath(id: string): string {
  return `/v1/admin/reindex/${segment(id)}`;
}
