import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isJobId, isReindexId, newJobId, newReindexId, timeOfJobId } from './job-id.js';

describe(newJobId, () => {
  it('holds the time it was made at, and ascends with it', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 41), fc.nat(2 ** 20), (time, later) => {
        const id = newJobId(time);
        expect(isJobId(id)).toBe(true);
        expect(timeOfJobId(id)).toBe(time);
        expect(newJobId(time + later + 1) > id).toBe(true);
      }),
    );
  });

  it('gives no id twice', () => {
    expect(newJobId(1)).not.toBe(newJobId(1));
  });
});

describe(isJobId, () => {
  it.each(['job_', 'job_../../etc/passwd', `job_${'A'.repeat(32)}`, `job_${'0'.repeat(33)}`, ''])('refuses %j', (text) => {
    expect(isJobId(text)).toBe(false);
  });
});

describe(newReindexId, () => {
  it('is no id of a job, and ascends as those do', () => {
    expect([isReindexId(newReindexId(1)), isJobId(newReindexId(1)), isReindexId(newJobId(1))]).toEqual([true, false, false]);
    expect(newReindexId(2) > newReindexId(1)).toBe(true);
  });
});
