/** Where the pairs of a padded batch have their texts. */
export interface BatchTexts {
  readonly batch: number;
  /** Tokens of a row, padding included. */
  readonly sequence: number;
  /** `[batch, 4]`: start and end of the query, start and end of the passage, as `PairSpans`. */
  readonly spans: Int32Array;
}

/** Numbers by which the feature graph tells the tokens of a batch apart. */
export interface FeatureInputs {
  /** Rows of tokens that hold all queries, from the first token on. */
  readonly queryEnd: number;
  /** `[batch, 1, queryEnd]`, `[batch, 1, sequence]`: one by the number of tokens, 0 elsewhere. */
  readonly queryShare: Float32Array;
  readonly passageShare: Float32Array;
  /** `[batch, queryEnd, 1]`, `[batch, 1, sequence]`: 0, and elsewhere so little that no maximum and no softmax is about it. */
  readonly queryBar: Float32Array;
  readonly passageBar: Float32Array;
  /** `[batch, 1, 2]`: logs of the tokens of pair and query. */
  readonly lengths: Float32Array;
}

/** Cosines are from −1 to 1, and are multiplied by 8 at most. */
const BAR = -1e4;

export function featureInputs({ batch, sequence, spans }: BatchTexts): FeatureInputs {
  const texts = Array.from({ length: batch }, (_, row) => textsOf(spans.subarray(4 * row, 4 * row + 4)));
  const queryEnd = Math.max(...texts.map(({ query }) => query[1]));
  const inputs = {
    queryEnd,
    queryShare: new Float32Array(batch * queryEnd),
    passageShare: new Float32Array(batch * sequence),
    queryBar: new Float32Array(batch * queryEnd).fill(BAR),
    passageBar: new Float32Array(batch * sequence).fill(BAR),
    lengths: new Float32Array(2 * batch),
  };
  texts.forEach(({ query, passage, tokens }, row) => {
    mark(inputs.queryShare, inputs.queryBar, query, row * queryEnd);
    mark(inputs.passageShare, inputs.passageBar, passage, row * sequence);
    inputs.lengths[2 * row] = Math.log(tokens);
    inputs.lengths[2 * row + 1] = Math.log(query[1] - query[0]);
  });
  return inputs;
}

type Range = readonly [from: number, to: number];

/** A text without tokens is its separator, or the only token that there is. */
function textsOf([queryStart = 0, queryEnd = 0, passageStart = 0, passageEnd = 0]: Int32Array): {
  query: Range;
  passage: Range;
  tokens: number;
} {
  return {
    query: [queryStart, Math.max(queryEnd, queryStart + 1)],
    passage: [passageStart, Math.max(passageEnd, passageStart + 1)],
    tokens: passageEnd + 1,
  };
}

function mark(share: Float32Array, bar: Float32Array, [from, to]: Range, row: number): void {
  share.fill(1 / (to - from), row + from, row + to);
  bar.fill(0, row + from, row + to);
}
