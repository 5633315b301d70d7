import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RerankError } from '../../errors/index.js';
import { PartRanges } from './part-ranges.js';
import { cursorHead, positionAt, type ResultPosition } from './result-cursor.js';

const JOB = { id: 'job_a', partLines: [2, 10, 10, 10, 7] };
const ranges = (...parts: number[]): PartRanges => {
  const read = new PartRanges();
  for (const part of parts) read.add(part);
  return read;
};
const head = (part: number, ...read: number[]): string => cursorHead(JOB.id, { order: 'completion', read: ranges(...read), part });
const gapsOf = (position: ResultPosition): number[] => (position.order === 'completion' ? position.read.toGaps() : []);

describe('a cursor', () => {
  it('tells what was read, and where in the part that was begun', () => {
    const position = positionAt(`${head(4, 0, 2)}6`, 'completion', JOB);
    expect(position).toMatchObject({ order: 'completion', current: { part: 4, lines: 6 } });
    expect(gapsOf(position)).toEqual([0, 1, 1, 1]);
  });

  it('counts a part as read behind its last line', () => {
    const position = positionAt(`${head(3, 0, 2)}10`, 'completion', JOB);
    expect(position).not.toHaveProperty('current');
    expect(gapsOf(position)).toEqual([0, 1, 1, 2]);
  });

  it('stays a few characters, however long the job', () => {
    const read = new PartRanges();
    for (let part = 0; part < 100_000; part += 1) if (part < 99_000 || part % 20 !== 0) read.add(part);
    expect(cursorHead(JOB.id, { order: 'completion', read, part: 99_500 }).length).toBeLessThan(160);
  });

  it('holds the row in order of submission', () => {
    const cursor = `${cursorHead(JOB.id, { order: 'submission' })}123456`;
    expect(positionAt(cursor, 'submission', JOB)).toEqual({ order: 'submission', row: 123_456 });
  });

  const proper = `${head(4, 0, 2)}6`;
  it.each([
    ['', 'completion'],
    ['nonsense', 'completion'],
    ['AAAA.1', 'completion'],
    [head(4, 0, 2), 'completion'],
    [`${head(4, 0, 2)}0`, 'completion'],
    [`${head(4, 0, 2)}8`, 'completion'],
    [`${head(5)}1`, 'completion'],
    [`${head(0, 4, 9)}1`, 'completion'],
    [`${head(2, 2)}1`, 'completion'],
    [`${proper}=`, 'completion'],
    [proper, 'submission'],
    [`${cursorHead(JOB.id, { order: 'submission' })}3`, 'completion'],
    [`${cursorHead('job_b', { order: 'submission' })}3`, 'submission'],
  ] as const)('is refused where it is none of the job’s: %j for order=%s', (cursor, order) => {
    expect(() => positionAt(cursor, order, JOB)).toThrow(expect.objectContaining({ code: 'invalid_request' }) as Error);
  });

  it('never breaks anything, whatever is sent', () => {
    const bytes = Buffer.from(proper.slice(0, -2), 'base64url');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(12), fc.nat(20), (noise, keep, lines) => {
        const cursor = `${Buffer.concat([bytes.subarray(0, keep), noise]).toString('base64url')}.${lines}`;
        try {
          positionAt(cursor, 'completion', JOB);
        } catch (error) {
          expect(error).toBeInstanceOf(RerankError);
        }
      }),
    );
  });
});
