import { customIdSchema, rerankRequestSchema, searchRequestSchema, type BatchEndpoint } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { ndjsonLines, type NdjsonLine } from '../corpora/ndjson-lines.js';
import { parseJson } from '../http/json-body.js';
import type { IncomingRow } from '../jobs/submitted-row.js';

export interface BatchLineOptions {
  /** What every line must call. */
  readonly endpoint: BatchEndpoint;
  readonly maxLineBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Lines of an input file as rows of a job; one that is none is a refused row.
 *
 * @throws EmptyFileError; what the content throws; the signal's reason
 */
export async function* batchLines(content: AsyncIterable<Buffer>, options: BatchLineOptions): AsyncGenerator<IncomingRow, void, undefined> {
  let isEmpty = true;
  for await (const line of ndjsonLines(content, options.maxLineBytes)) {
    options.signal.throwIfAborted();
    isEmpty = false;
    yield rowOf(line, options);
  }
  if (isEmpty) throw new EmptyFileError();
}

export class EmptyFileError extends RerankError {
  constructor() {
    super('invalid_request', 'The input file holds no requests; it needs one JSON object a line.');
  }
}

type Fields = Readonly<Record<string, unknown>>;

function rowOf({ line: row, bytes }: NdjsonLine, { endpoint, maxLineBytes }: BatchLineOptions): IncomingRow {
  let customId: string | undefined;
  try {
    if (bytes === undefined) throw new RerankError('payload_too_large', `The line has more than ${maxLineBytes} bytes.`);
    const line = parseJson(bytes);
    if (!isObject(line)) throw new RerankError('invalid_request', 'The line must be an object.');
    customId = customIdOf(line);
    const value = requestOf(line, endpoint);
    return { row, json: JSON.stringify(value), value };
  } catch (error) {
    if (!(error instanceof RerankError)) throw error;
    return { row, customId, error };
  }
}

/** The request as a job has it. Its `custom_id` is checked there. */
function requestOf({ custom_id: id, method, url, body }: Fields, endpoint: BatchEndpoint): Fields {
  if (method !== 'POST') throw refusal('/method', 'must be "POST"');
  if (url !== endpoint) throw refusal('/url', `must be "${endpoint}", the endpoint of the batch`);
  if (!isObject(body)) throw refusal('/body', body === undefined ? 'is required' : 'must be an object');
  if (endpoint === '/v1/rerank') {
    if (body['documents'] === undefined || body['documents'] === null) throw refusal('/body/documents', 'is required');
    return { ...known(body, rerankRequestSchema.shape), custom_id: id };
  }
  // A job would take it for a rerank.
  if ('documents' in body) throw refusal('/body/documents', 'is no field of a search');
  return { ...known(body, searchRequestSchema.shape), custom_id: id };
}

/** As on the compatible routes: null stands for a field that is left out, and what is not known has no effect. */
function known(body: Fields, shape: object): Fields {
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => value !== null && Object.hasOwn(shape, name)));
}

const refusal = (pointer: string, detail: string): RerankError =>
  new RerankError('invalid_request', `${pointer}: ${detail}.`, { errors: [{ pointer, detail }] });

/** Also that of a bad line, so that its sender finds it again. */
function customIdOf({ custom_id: id }: Fields): string | undefined {
  return typeof id === 'string' && customIdSchema.safeParse(id).success ? id : undefined;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
