import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchJobBody } from '@rerank-fleet/core/contracts';
import { ENDED_STATUSES } from '@rerank-fleet/core/contracts';
import { CORPUS, type Stand, type TENANTS } from './stand.ts';

const NEWLINE = 10;
const WORDS = 'prune the apple tree in late winter before buds swell and cut away crossing branches so that light reaches the fruit'.split(
  ' ',
);

function words(seed: number, bytes: number): string {
  let text = '';
  for (let at = seed; text.length < bytes; at += 7) text += `${WORDS[at % WORDS.length]} `;
  return text.slice(0, bytes);
}

/** A search row of at most 300 bytes. */
export function searchRow(number: number): string {
  return JSON.stringify({ custom_id: `request-${number}`, query: words(number, 160), corpus: CORPUS, top_k: 50, top_n: 10 });
}

export interface RerankShape {
  readonly candidates: number;
  readonly documentBytes: number;
}

/** A rerank row with its documents inline. */
export function rerankRow(number: number, { candidates, documentBytes }: RerankShape): string {
  const documents = Array.from({ length: candidates }, (_, position) => words(number + position * 3, documentBytes));
  return JSON.stringify({ custom_id: `request-${number}`, query: words(number, 60), documents, top_n: 10 });
}

/** Writes rows to a file. Resolves to its bytes. */
export async function writeRows(path: string, count: number, row: (number: number) => string): Promise<number> {
  const handle = await open(path, 'w');
  for (let from = 0; from < count; from += 1_000) {
    const rows = Array.from({ length: Math.min(1_000, count - from) }, (_, position) => row(from + position + 1));
    await handle.write(`${rows.join('\n')}\n`);
  }
  await handle.close();
  return (await stat(path)).size;
}

type Tenant = (typeof TENANTS)[number];

/** Submits a file of rows. Resolves when the API has answered 202. */
export async function submit(stand: Stand, path: string, tenant: Tenant = 'default'): Promise<BatchJobBody> {
  return await stand.call('POST', '/v1/jobs', {
    tenant,
    type: 'application/x-ndjson',
    body: createReadStream(path),
  });
}

export async function submitText(stand: Stand, text: string, tenant: Tenant = 'default'): Promise<BatchJobBody> {
  return await stand.call('POST', '/v1/jobs', { tenant, type: 'application/x-ndjson', body: text });
}

/** Resolves with a job that has ended. */
export async function ended(stand: Stand, id: string, tenant: Tenant = 'default', pollMs = 20): Promise<BatchJobBody> {
  for (;;) {
    const job = await stand.call<BatchJobBody>('GET', `/v1/jobs/${id}`, { tenant });
    if (ENDED_STATUSES.has(job.status)) return job;
    await sleep(pollMs);
  }
}

/** Reads a job's results while it runs, to their end. Resolves to their number and bytes. */
export async function readResults(
  stand: Stand,
  id: string,
  tenant: Tenant = 'default',
): Promise<{ readonly lines: number; readonly bytes: number }> {
  const answer = await stand.open('GET', `/v1/jobs/${id}/results?follow=true`, { tenant });
  let [lines, bytes] = [0, 0];
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) lines += 1;
  }
  return { lines, bytes };
}
