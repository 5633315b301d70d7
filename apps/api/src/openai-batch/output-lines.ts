import type { OpenAiBatchResult, StoredResultLine } from '@rerank-fleet/core/contracts';
import { ERROR_CATALOGUE, InvariantError, isErrorCode } from '@rerank-fleet/core/errors';
import { ResultReading, type BatchDone, type BatchJobs, type BatchRecord, type OutputKind } from '@rerank-fleet/core/jobs';
import { openAiForm } from '../compat/error-dialects.js';
import { requestIdOf } from './batch-ids.js';

export interface OutputSource {
  readonly record: BatchRecord;
  readonly done: BatchDone;
  readonly kind: OutputKind;
}

/** Chunks of an output file: what succeeded; of an error file: all else. They are made of the job's results as they are read. */
export async function* outputLines(jobs: BatchJobs, { record, done, kind }: OutputSource): AsyncGenerator<Buffer, void, undefined> {
  const reading = await ResultReading.open(jobs, record, kind === 'output' ? { status: 'succeeded' } : {});
  for await (const chunk of reading.read({ done })) {
    const lines = chunk
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as StoredResultLine)
      .filter(({ status }) => (status === 'succeeded') === (kind === 'output'))
      .map((line) => `${JSON.stringify(resultOf(record, line))}\n`);
    if (lines.length > 0) yield Buffer.from(lines.join(''));
  }
}

export function resultOf({ id: job }: Pick<BatchRecord, 'id'>, line: StoredResultLine): OpenAiBatchResult {
  const id = requestIdOf(job, line.row);
  const head = { id, custom_id: line.custom_id ?? null };
  switch (line.status) {
    case 'succeeded':
      if (line.result === undefined) throw new InvariantError('A request succeeded without a result.');
      return { ...head, response: { status_code: 200, request_id: id, body: { ...line.result } }, error: null };
    case 'errored':
      return { ...head, ...failureOf(id, line.error) };
    case 'expired':
      return {
        ...head,
        response: null,
        error: { code: 'batch_expired', message: 'This request could not be executed before the completion window expired.' },
      };
    case 'cancelled':
      return {
        ...head,
        response: null,
        error: { code: 'batch_cancelled', message: 'The batch was cancelled before this request was done.' },
      };
  }
}

/** Both as the answer that the request would have got, and in short. */
function failureOf(id: string, error: StoredResultLine['error']): Pick<OpenAiBatchResult, 'response' | 'error'> {
  const code = error !== undefined && isErrorCode(error.code) ? error.code : 'internal_error';
  const message = error?.message ?? 'The request failed.';
  const body = openAiForm({ code, detail: message, errors: error?.errors ?? [] });
  return { response: { status_code: ERROR_CATALOGUE[code].status, request_id: id, body }, error: { code, message } };
}
