import { describe, expect, it } from 'vitest';
import { BodiesInHand } from './bodies-in-hand.js';

const overloaded = expect.objectContaining({ code: 'overloaded', reason: 'bodies_in_hand', retryAfterS: 1 }) as Error;

describe(BodiesInHand, () => {
  it('refuses what does not fit beside the others, and takes it when they are gone', () => {
    const bodies = new BodiesInHand(100);
    const [one, other] = [bodies.take(), bodies.take()];
    one.grow(60);
    expect(() => other.grow(41)).toThrow(overloaded);
    other.grow(40);
    expect(bodies.bytes).toBe(100);
    one.drop();
    one.drop();
    other.grow(100);
    expect(bodies.bytes).toBe(100);
    other.drop();
    expect(bodies.bytes).toBe(0);
  });

  it('takes one that is alone whatever its size', () => {
    const bodies = new BodiesInHand(100);
    const alone = bodies.take();
    alone.grow(500);
    expect(() => bodies.take().grow(1)).toThrow(overloaded);
    alone.drop();
    expect(bodies.bytes).toBe(0);
  });

  it('refuses at once what says that it will not fit, and keeps nothing free for what says that it will', () => {
    const bodies = new BodiesInHand(100);
    const [one, other] = [bodies.take(), bodies.take()];
    one.grow(10, 90);
    expect(bodies.bytes).toBe(10);
    expect(() => other.grow(1, 91)).toThrow(overloaded);
    other.grow(1, 90);
    expect(bodies.bytes).toBe(11);
  });

  it('keeps what a refused body had until it is dropped, and nothing of one that was dropped', () => {
    const seen: number[] = [];
    const bodies = new BodiesInHand(100, (bytes) => seen.push(bytes));
    const [one, other] = [bodies.take(), bodies.take()];
    one.grow(50);
    other.grow(20);
    other.grow(10);
    expect(() => other.grow(51)).toThrow(overloaded);
    other.drop();
    other.grow(30);
    expect(seen).toEqual([0, 50, 70, 50]);
  });
});
