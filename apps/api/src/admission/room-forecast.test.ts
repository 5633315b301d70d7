import type { BatchRecord, LedgerState } from '@rerank-fleet/core/jobs';
import { describe, expect, it } from 'vitest';
import { RoomForecast } from './room-forecast.js';

const NOW = 1_000_000_000;
const DAY_MS = 24 * 3_600_000;

/** A job that began so long ago; ids begin with the time. */
const idOf = (ageMs: number): string => `job_${(NOW - ageMs).toString(16).padStart(12, '0')}${'0'.repeat(20)}`;

interface Job {
  readonly id: string;
  readonly rows?: number;
  readonly bytes?: number;
  /** Pairs of a thousand that are done in ten seconds; absent: it waits. */
  readonly done?: number;
  readonly expiresInMs?: number;
}

function forecastOf(jobs: readonly Job[], uploads: readonly string[] = []): RoomForecast {
  const sizes = new Map(jobs.map(({ id, rows = 0, bytes = 0 }) => [id, { rows, bytes }]));
  const find = (id: string): Job => jobs.find((job) => job.id === id)!;
  const record = ({ id, expiresInMs = DAY_MS }: Job) =>
    ({ id, pairs: 1_000, expires_ms: NOW + expiresInMs, created_ms: NOW }) as BatchRecord;
  const state = ({ done }: Job) => (done === undefined ? undefined : ({ pairs: done, startedMs: NOW - 10_000 } as LedgerState));
  return new RoomForecast({
    room: { held: async () => ({ sizes, uploads: new Set(uploads), ready: true }) },
    jobs: { readableRecord: async (_, id) => record(find(id)) },
    ledger: { state: async (id) => state(find(id)) },
    retentionMs: 7 * DAY_MS,
    now: () => NOW,
  });
}

describe(RoomForecast, () => {
  it('waits for the jobs that end first, at their speed so far', async () => {
    const forecast = forecastOf([
      { id: idOf(3), rows: 100, done: 100 },
      { id: idOf(2), rows: 50, done: 500 },
      { id: idOf(1), rows: 70, done: 200 },
    ]);
    expect(await forecast.rowsIn('acme', 50)).toBe(10_000);
    expect(await forecast.rowsIn('acme', 51)).toBe(40_000);
    expect(await forecast.rowsIn('acme', 120)).toBe(40_000);
    expect(await forecast.rowsIn('acme', 121)).toBe(90_000);
  });

  it('waits for a job no longer than until it expires', async () => {
    expect(await forecastOf([{ id: idOf(1), rows: 9, done: 1, expiresInMs: 5_000 }]).rowsIn('acme', 1)).toBe(5_000);
    expect(await forecastOf([{ id: idOf(1), rows: 9, expiresInMs: 7_000 }]).rowsIn('acme', 1)).toBe(7_000);
  });

  it('foresees an hour at most, and nothing of uploads and of jobs that have ended', async () => {
    const jobs = [
      { id: idOf(1), rows: 9 },
      { id: idOf(2), rows: 0, done: 999 },
      { id: 'upload', rows: 9, expiresInMs: 1 },
    ];
    expect(await forecastOf(jobs, ['upload']).rowsIn('acme', 1)).toBe(3_600_000);
    expect(await forecastOf([]).rowsIn('acme', 1)).toBe(3_600_000);
  });

  it('waits for the oldest jobs to be removed', async () => {
    const forecast = forecastOf([
      { id: idOf(7 * DAY_MS - 60_000), bytes: 10 },
      { id: idOf(7 * DAY_MS - 90_000), bytes: 10 },
      { id: idOf(7 * DAY_MS + 1), bytes: 10 },
      { id: idOf(0), bytes: 10 },
    ]);
    expect(await Promise.all([10, 11, 20, 30, 31].map((bytes) => forecast.bytesIn('acme', bytes)))).toEqual([
      0, 60_000, 60_000, 90_000, 3_600_000,
    ]);
  });
});
