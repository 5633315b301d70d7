import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { desiredWorkers, type PoolDemand, type ScalingBounds } from './desired-workers.js';

const SPEED = 10_000;
const BOUNDS: ScalingBounds = { syncDrainS: 10, batchDrainS: 600, idleS: 300, maxWorkers: 50 };

interface Change extends Partial<Omit<PoolDemand, 'sync' | 'batch'>> {
  readonly sync?: Partial<PoolDemand['sync']>;
  readonly batch?: Partial<PoolDemand['batch']>;
}

const demand = ({ sync, batch, ...more }: Change = {}): PoolDemand => ({
  sync: { tokens: 0, tokensPerS: 0, idleMs: Infinity, ...sync },
  batch: { slices: 0, tokens: 0, tokensPerS: 0, ...batch },
  ingestSlices: 0,
  tasks: 0,
  isDemanded: false,
  ...more,
});
const of = (change: Change, bounds: Partial<ScalingBounds> = {}): number => desiredWorkers(demand(change), SPEED, { ...BOUNDS, ...bounds });

describe(desiredWorkers, () => {
  it('asks for none where nothing is asked', () => {
    expect(of({})).toBe(0);
  });

  it.each<[string, Change]>([
    ['somebody waited in vain', { isDemanded: true }],
    ['a task waits or runs', { tasks: 1 }],
    ['a call waits', { sync: { tokens: 1 } }],
    ['a job is open', { batch: { slices: 1, tokens: 10, tokensPerS: 0.01 } }],
    ['an upload waits', { ingestSlices: 1 }],
    ['the last call was a moment ago', { sync: { idleMs: 299_999 } }],
  ])('asks for one while %s', (_, change) => {
    expect(of(change)).toBe(1);
  });

  it('lets the last worker go when the last call is long ago', () => {
    expect(of({ sync: { idleMs: 300_000, tokensPerS: 0.4 } })).toBe(0);
    expect(of({ sync: { idleMs: 0 } }, { idleS: 0 })).toBe(0);
  });

  it('keeps up with what comes, a fifth of the workers’ time being left to chance', () => {
    expect(of({ sync: { idleMs: 0, tokensPerS: 8 * SPEED } })).toBe(10);
  });

  it('does not shrink a pool that keeps up, though nothing waits', () => {
    expect(of({ sync: { idleMs: 0, tokensPerS: 8 * SPEED, tokens: 0 } })).toBe(10);
  });

  it('adds who does the calls that wait in time', () => {
    expect(of({ sync: { idleMs: 0, tokens: 4 * SPEED * 10 } })).toBe(4);
    expect(of({ sync: { idleMs: 0, tokens: 4 * SPEED * 10, tokensPerS: 8 * SPEED } })).toBe(14);
  });

  it('asks for as many as end the jobs in time, and for no more than there are slices', () => {
    expect(of({ batch: { slices: 100, tokens: 0, tokensPerS: 7 * SPEED } })).toBe(7);
    expect(of({ batch: { slices: 3, tokens: 0, tokensPerS: 7 * SPEED } })).toBe(3);
  });

  it('counts uploads by a guess', () => {
    expect(of({ ingestSlices: 1_000 })).toBe(Math.ceil((1_000 * 32_768) / (SPEED * 600)));
  });

  it('never asks for more than may be', () => {
    expect(of({ sync: { tokens: 1e12 } })).toBe(50);
  });

  const wanted = fc.record({
    sync: fc.record({ tokens: fc.nat(1e9), tokensPerS: fc.nat(1e7), idleMs: fc.nat(1e6) }),
    batch: fc.record({ slices: fc.nat(1e6), tokens: fc.nat(1e12), tokensPerS: fc.nat(1e7) }),
    ingestSlices: fc.nat(1e4),
    tasks: fc.nat(1e4),
    isDemanded: fc.boolean(),
  });

  it('is a whole number within its bounds, and rises with each part of the demand', () => {
    fc.assert(
      fc.property(wanted, fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 0, max: 1e6 }), (asked, speed, more) => {
        const now = desiredWorkers(asked, speed, BOUNDS);
        expect(Number.isInteger(now)).toBe(true);
        expect(now).toBeGreaterThanOrEqual(0);
        expect(now).toBeLessThanOrEqual(BOUNDS.maxWorkers);
        const sync = { ...asked.sync, tokens: asked.sync.tokens + more };
        expect(desiredWorkers({ ...asked, sync }, speed, BOUNDS)).toBeGreaterThanOrEqual(now);
        expect(desiredWorkers({ ...asked, ingestSlices: asked.ingestSlices + more }, speed, BOUNDS)).toBeGreaterThanOrEqual(now);
        if (asked.isDemanded) expect(now).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});
