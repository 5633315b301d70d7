import { Readable } from 'node:stream';
import type { Config } from '@rerank-fleet/core/config';
import { jobHeaderLineSchema, jobOptionsSchema, submitJobSchema, type JobOptions } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { assertKnownDefaults } from '@rerank-fleet/core/requests';
import { assertWebhookUrl } from '@rerank-fleet/core/webhooks';
import { ndjsonLines, type NdjsonLine } from '../corpora/ndjson-lines.js';
import { bodyBytes, type BodySource } from '../http/body-bytes.js';
import { parseJson } from '../http/json-body.js';
import { parseWith } from '../http/zod-faults.js';
import { isRefused, type IncomingRow, type RowForm } from './submitted-row.js';

/** What a client sent to `POST /v1/jobs`. */
export interface Submission {
  readonly options: JobOptions;
  readonly form: RowForm;
  readonly rows: AsyncIterable<IncomingRow> | Iterable<IncomingRow>;
}

export interface SubmissionLimits {
  readonly http: Pick<Config['http'], 'maxIngestBytes' | 'maxBodyBytes'>;
  readonly webhooks: Config['webhooks'];
  /** Sees every byte of the body, unpacked, or the JSON of one that was read as a whole. */
  readonly onBytes?: ((bytes: Uint8Array | string) => void) | undefined;
}

/**
 * Reads a job: its options at once, its rows as they are asked for. A bad row is a refused one.
 *
 * @throws RerankError `invalid_request` for bad options; the rows' iterator also `payload_too_large`, and what a broken connection throws
 */
export async function readSubmission(body: unknown, limits: SubmissionLimits): Promise<Submission> {
  if (!(body instanceof Readable)) return readJsonSubmission(body, limits);
  const { maxIngestBytes, maxBodyBytes } = limits.http;
  const advice = 'Send the requests in several jobs.';
  const bytes = watched(bodyBytes(body as Readable & BodySource, { maxBytes: maxIngestBytes, advice }), limits.onBytes);
  const lines = ndjsonLines(bytes, maxBodyBytes);
  const first = await lines.next();
  if (first.done === true) throw new RerankError('invalid_request', 'The body holds no requests; send one JSON object a line.');
  const row = readLine(first.value, maxBodyBytes);
  const header = isRefused(row) || !isHeader(row.value) ? undefined : parseWith(jobHeaderLineSchema, row.value, `Line ${row.row}`);
  if (header !== undefined) checkOptions(header.job, limits, '/job');
  return {
    options: header?.job ?? jobOptionsSchema.parse({}),
    form: 'lines',
    rows: rest(header === undefined ? [row] : [], lines, maxBodyBytes),
  };
}

function readJsonSubmission(body: unknown, limits: SubmissionLimits): Submission {
  const { requests, ...options } = parseWith(submitJobSchema, body);
  checkOptions(options, limits, '');
  limits.onBytes?.(JSON.stringify(body));
  return { options, form: 'requests', rows: rowsOf(requests) };
}

function* rowsOf(requests: readonly unknown[]): Generator<IncomingRow, void, undefined> {
  for (const [at, value] of requests.entries()) yield { row: at + 1, json: JSON.stringify(value), value };
}

/** @param pointer to the options in what was sent */
function checkOptions({ defaults, webhook }: JobOptions, { webhooks }: SubmissionLimits, pointer: string): void {
  try {
    if (defaults !== undefined) assertKnownDefaults(defaults);
    if (webhook !== undefined) webhook.url = assertWebhookUrl(webhook.url, webhooks).href;
  } catch (error) {
    if (!(error instanceof RerankError) || pointer === '') throw error;
    const errors = error.errors.map((fault) => ({ pointer: pointer + fault.pointer, detail: fault.detail }));
    throw new RerankError(error.code, `${pointer}${error.detail}`, { errors, cause: error });
  }
}

const isHeader = (value: unknown): boolean => typeof value === 'object' && value !== null && 'job' in value && !('custom_id' in value);

async function* rest(
  first: readonly IncomingRow[],
  lines: AsyncIterable<NdjsonLine>,
  maxLineBytes: number,
): AsyncGenerator<IncomingRow, void, undefined> {
  yield* first;
  for await (const line of lines) yield readLine(line, maxLineBytes);
}

function readLine({ line, bytes }: NdjsonLine, maxLineBytes: number): IncomingRow {
  if (bytes === undefined)
    return { row: line, error: new RerankError('payload_too_large', `The line has more than ${maxLineBytes} bytes.`) };
  try {
    const json = withoutMark(bytes);
    return { row: line, json, value: parseJson(json) };
  } catch (error) {
    if (!(error instanceof RerankError)) throw error;
    return { row: line, error };
  }
}

/** Parsers of text leave a byte order mark out; what is kept must not have it either. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

async function* watched(chunks: AsyncIterable<Buffer>, onBytes: SubmissionLimits['onBytes']): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of chunks) {
    onBytes?.(chunk);
    yield chunk;
  }
}
