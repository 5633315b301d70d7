/**
 * Chooses passages for a language model's context: best first, each that still fits; one that does not is passed over for shorter ones behind it.
 *
 * @param tokens of each passage, best first
 * @param budget in tokens
 * @returns positions of the chosen passages, ascending
 */
export function packContext(tokens: readonly number[], budget: number): number[] {
  let left = budget;
  return [...tokens.keys()].filter((position) => {
    const size = tokens[position]!;
    if (size > left) return false;
    left -= size;
    return true;
  });
}
