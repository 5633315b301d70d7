/** Uniform numbers in [-1, 1) that depend on the seed alone (mulberry32). */
export function randomWeights(seed: number): (count: number, scale: number) => Float32Array {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2_147_483_648 - 1;
  };
  return (count, scale) => Float32Array.from({ length: count }, () => next() * scale);
}
