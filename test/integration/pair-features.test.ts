import { Tensor } from 'onnxruntime-node';
import { featureCount } from '@rerank-fleet/worker/exits/pair-features';
import { SeededRandom } from '@rerank-fleet/worker/exits/seeded-random';
import { FeatureSession } from '@rerank-fleet/worker/inference/feature-session';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const WIDTH = 8;

type Row = readonly Float64Array[];
type Spans = readonly [queryStart: number, queryEnd: number, passageStart: number, passageEnd: number];

let session: FeatureSession;
beforeAll(async () => {
  session = await FeatureSession.load(WIDTH);
});
afterAll(() => session.release());

const random = new SeededRandom(3);
/** Tokens far from the origin, as those of a layer are. */
const tokens = (count: number): Row => Array.from({ length: count }, () => Float64Array.from({ length: WIDTH }, () => 2 + random.normal()));

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const dot = (a: Float64Array, b: Float64Array): number => sum([...a].map((value, at) => value * b[at]!));
const weighted = (row: Row, shares: readonly number[]): number[] =>
  Array.from({ length: WIDTH }, (_, at) => sum(row.map((token, number) => token[at]! * shares[number]!)));
const even = (row: Row): number[] => row.map(() => 1 / row.length);
const softmax = (values: readonly number[]): number[] => {
  const powers = values.map((value) => Math.exp(value - Math.max(...values)));
  return powers.map((power) => power / sum(powers));
};

/** The features as their page defines them, one loop after the other. */
function expected(row: Row, [queryStart, queryEnd, passageStart, passageEnd]: Spans): number[] {
  const query = row.slice(queryStart, Math.max(queryEnd, queryStart + 1));
  const passage = row.slice(passageStart, Math.max(passageEnd, passageStart + 1));
  const [queryMean, passageMean] = [weighted(query, even(query)), weighted(passage, even(passage))];
  const centred = (token: Float64Array): Float64Array => token.map((value, at) => value - passageMean[at]!);
  const norm = (token: Float64Array): number => Math.max(Math.sqrt(dot(token, token)), 1e-6);
  const cosine = (a: Float64Array, b: Float64Array): number => dot(centred(a), centred(b)) / norm(centred(a)) / norm(centred(b));
  const cosines = query.map((asked) => passage.map((found) => cosine(asked, found)));
  const best = cosines.map((row) => Math.max(...row));
  const covered = passage.map((_, at) => Math.max(...cosines.map((row) => row[at]!)));
  const found = cosines.map((row) => softmax(row.map((value) => 8 * value)));
  const matched = weighted(
    passage,
    passage.map((_, at) => sum(found.map((shares) => shares[at]!)) / query.length),
  );
  const mean = (values: readonly number[]): number => sum(values) / values.length;
  const squares = (values: readonly number[]): number[] => values.map((value) => value ** 2);
  return [
    ...row[0]!,
    ...queryMean,
    ...passageMean,
    ...queryMean.map((value, at) => value * passageMean[at]!),
    ...matched,
    ...weighted(query, softmax(best.map((value) => -8 * value))),
    ...[mean(best), Math.min(...best), Math.max(...best), mean(squares(best)), mean(covered), mean(squares(covered))],
    ...[Math.log(passageEnd + 1), Math.log(query.length)],
  ];
}

/** Rows of one batch; what stands behind a row's last token is given. */
async function features(rows: readonly Row[], spans: readonly Spans[], padding = 0): Promise<number[][]> {
  const sequence = Math.max(...rows.map(({ length }) => length));
  const values = new Float32Array(rows.length * sequence * WIDTH).fill(padding);
  rows.forEach((row, number) => row.forEach((token, at) => values.set(token, (number * sequence + at) * WIDTH)));
  const hidden = new Tensor('float32', values, [rows.length, sequence, WIDTH]);
  const made = await session.run(hidden, { batch: rows.length, sequence, spans: Int32Array.from(spans.flat()) });
  const count = featureCount(WIDTH);
  expect(made.length).toBe(rows.length * count);
  return rows.map((_, row) => [...made.subarray(row * count, (row + 1) * count)]);
}

const CASES: readonly [string, Row, Spans][] = [
  ['one separator between the texts', tokens(12), [1, 4, 5, 11]],
  ['two of them', tokens(9), [1, 3, 5, 8]],
  ['texts of one token', tokens(5), [1, 2, 3, 4]],
  ['an empty passage', tokens(6), [1, 4, 5, 5]],
  ['an empty query', tokens(7), [1, 1, 2, 6]],
  ['a single token', tokens(1), [0, 0, 0, 0]],
];

describe(FeatureSession, () => {
  it.each(CASES)('gives the features of a pair with %s', async (_frame, row, spans) => {
    const [made] = await features([row], [spans]);
    expected(row, spans).forEach((value, at) => expect(made![at], `feature ${at}`).toBeCloseTo(value, 4));
  });

  it('gives a pair the same features whatever stands beside it, and in its padding', async () => {
    const rows = CASES.map(([, row]) => row);
    const spans = CASES.map(([, , span]) => span);
    for (const padding of [0, 50, -50])
      (await features(rows, spans, padding)).forEach((made, number) =>
        expected(rows[number]!, spans[number]!).forEach((value, at) =>
          expect(made[at], `pair ${number}, feature ${at}`).toBeCloseTo(value, 4),
        ),
      );
  });

  it('stays finite where all tokens are the same', async () => {
    const row = Array.from({ length: 8 }, () => new Float64Array(WIDTH).fill(1));
    const [made] = await features([row], [[1, 3, 4, 7]]);
    expect(made!.every(Number.isFinite)).toBe(true);
  });
});
