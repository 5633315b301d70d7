import { readFile } from 'node:fs/promises';
import type { Stand } from './stand.ts';

const SAMPLE_MS = 200;
export const MB = 1e6;

export interface MemoryPeaks {
  /** MB, over all samples. */
  readonly redisMb: number;
  /** MB; the kernel's own high-water mark of the API process, so that no peak between samples is missed. */
  readonly apiMb: number;
  /** Of the samples of the API. */
  readonly apiMedianMb: number;
}

/** Samples the memory of Redis and of the API while the work is done. */
export async function watchMemory<T>(stand: Stand, work: () => Promise<T>): Promise<{ readonly result: T; readonly peaks: MemoryPeaks }> {
  const redis: number[] = [];
  const api: number[] = [];
  const sample = async (): Promise<void> => {
    redis.push(await usedMemoryMb(stand));
    api.push(await processMb(stand.apiPid, 'VmRSS'));
  };
  await sample();
  const timer = setInterval(() => void sample(), SAMPLE_MS);
  try {
    const result = await work();
    await sample();
    const apiMb = await processMb(stand.apiPid, 'VmHWM');
    return { result, peaks: { redisMb: Math.max(...redis), apiMb, apiMedianMb: api.toSorted((a, b) => a - b)[api.length >> 1]! } };
  } finally {
    clearInterval(timer);
  }
}

export async function usedMemoryMb({ redis }: Pick<Stand, 'redis'>): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]) / MB;
}

async function processMb(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  return (Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024) / MB;
}

export interface KeyGroup {
  readonly pattern: string;
  readonly keys: number;
  /** Of all of them; entries of streams, lists, sets and hashes, bytes of strings. */
  readonly entries: number;
  readonly bytes: number;
}

/** What is in Redis, ids left out of the names. */
export async function keysInRedis({ redis }: Pick<Stand, 'redis'>): Promise<KeyGroup[]> {
  const groups = new Map<string, KeyGroup>();
  for await (const keys of redis.scanStream({ count: 1_000 }) as AsyncIterable<string[]>) {
    for (const key of keys) {
      const pattern = key
        .replace(/job_[0-9a-f]+/g, '*')
        .replace(/(worker:|fence:|:)(fake-)?[0-9a-f-]{20,}/g, '$1*')
        .replace(/-\d+$/, '-*');
      const entries = await entriesOf(redis, key);
      const bytes = (await redis.memory('USAGE', key)) ?? 0;
      const known = groups.get(pattern) ?? { pattern, keys: 0, entries: 0, bytes: 0 };
      groups.set(pattern, { pattern, keys: known.keys + 1, entries: known.entries + entries, bytes: known.bytes + bytes });
    }
  }
  return [...groups.values()].sort((a, b) => (a.pattern < b.pattern ? -1 : 1));
}

async function entriesOf(redis: Stand['redis'], key: string): Promise<number> {
  switch (await redis.type(key)) {
    case 'stream':
      return await redis.xlen(key);
    case 'list':
      return await redis.llen(key);
    case 'set':
      return await redis.scard(key);
    case 'zset':
      return await redis.zcard(key);
    case 'hash':
      return await redis.hlen(key);
    default:
      return await redis.strlen(key);
  }
}
