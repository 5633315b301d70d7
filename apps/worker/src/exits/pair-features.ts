/**
 * What a head is given of a pair's hidden state at a cut, all of it float32, in this order. q are the tokens of the query, p those of the passage; a text without tokens is
 * stood in for by the separator behind it.
 *
 * - `[width]` the first token
 * - `[width]` mean q̄ of the query, `[width]` mean p̄ of the passage, `[width]` their product
 * - `[width]` matched passage: the mean over the query's tokens of what each finds in the passage, Σⱼ softmaxⱼ(8 sᵢⱼ) pⱼ
 * - `[width]` unmatched query: Σᵢ softmaxᵢ(−8 mᵢ) qᵢ
 * - mean, least, greatest and mean square of mᵢ over the query; mean and mean square of cⱼ over the passage
 * - log of the pair's tokens, log of the query's
 *
 * where sᵢⱼ is the cosine of qᵢ − p̄ and pⱼ − p̄, mᵢ its maximum over the passage and cⱼ its maximum over the query. Means alone know what a passage is about; whether it has
 * what is asked for is seen token by token, as in the late interaction of Khattab and Zaharia 2020, *ColBERT*.
 */
const VECTORS = 6;
/** Numbers beside the vectors. */
export const SCALARS = 8;

/** Numbers that a head is given of a pair. */
export const featureCount = (width: number): number => VECTORS * width + SCALARS;

/** The first token, the means and their product: all that heads of versions 1 and 2 know, which come first. */
export const pooledCount = (width: number): number => 4 * width;
