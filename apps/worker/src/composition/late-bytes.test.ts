import { describe, expect, it } from 'vitest';
import { SESSION_PER_FILE } from '../tuning/engine-shape.js';
import { lateBytes } from './late-bytes.js';

const MB = 1_000_000;

describe(lateBytes, () => {
  it('counts segments in every thread, and the hidden states that threads share once', () => {
    const model = { fileBytes: 30 * MB, hasVariant: false, stateBytes: 256 * MB };
    expect(lateBytes([model], 1)).toBe(30 * SESSION_PER_FILE * MB + 256 * MB);
    expect(lateBytes([model], 16)).toBe(16 * 30 * SESSION_PER_FILE * MB + 256 * MB);
  });

  it('counts the file beside a faster variant in every thread, also where the model has segments', () => {
    const variant = { fileBytes: 30 * MB, hasVariant: true };
    expect(lateBytes([variant], 4)).toBe(4 * 30 * SESSION_PER_FILE * MB);
    expect(lateBytes([{ ...variant, stateBytes: 256 * MB }], 4)).toBe(2 * 4 * 30 * SESSION_PER_FILE * MB + 256 * MB);
  });

  it('is nothing for models that are loaded whole at the start, and the sum of all models', () => {
    expect(lateBytes([{ fileBytes: 30 * MB, hasVariant: false }], 8)).toBe(0);
    const others = [
      { fileBytes: 10 * MB, hasVariant: true },
      { fileBytes: 20 * MB, hasVariant: false, stateBytes: 100 * MB },
    ];
    expect(lateBytes(others, 2)).toBe(2 * (10 + 20) * SESSION_PER_FILE * MB + 100 * MB);
  });
});
