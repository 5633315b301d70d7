import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuseUnknown, type UnknownToken } from './fuse-unknown.js';

const IDS = new Map(['<unk>', 'a', 'b', 'ab'].map((token, id) => [token, id]));
const MODEL: UnknownToken = { tokens_to_ids: IDS, unk_token_id: 0, unk_token: '<unk>' };

describe(fuseUnknown.name, () => {
  it('makes one token of unknown ones in a row, and leaves the others', () => {
    expect(fuseUnknown(['x', 'y', 'a', 'z', 'b', '<unk>', 'x'], MODEL)).toEqual(['<unk>', 'a', '<unk>', 'b', '<unk>']);
    expect(fuseUnknown([], MODEL)).toEqual([]);
  });

  it('never has two unknown tokens beside each other, and loses no known one', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'ab', 'x', 'y', '<unk>', '\ud83d')), (tokens) => {
        const fused = fuseUnknown(tokens, MODEL);
        expect(fused.filter((token) => token !== '<unk>')).toEqual(tokens.filter((token) => token !== '<unk>' && IDS.has(token)));
        expect(fused.join(' ')).not.toContain('<unk> <unk>');
        expect(fused.includes('<unk>')).toBe(tokens.some((token) => token === '<unk>' || !IDS.has(token)));
      }),
    );
  });

  it('looks up no more text than there is, however long the run', () => {
    let looked = 0;
    const counting = {
      get: (token: string) => {
        looked += token.length;
        return IDS.get(token);
      },
    } as ReadonlyMap<string, number>;
    expect(fuseUnknown(Array<string>(20_000).fill('x'), { ...MODEL, tokens_to_ids: counting })).toEqual(['<unk>']);
    expect(looked).toBe(20_000);
  });
});
