import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import {
  jobResultLineSchema,
  type JobOptions,
  type JobResultLine,
  type RowStatus,
  type StoredResultLine,
} from '@rerank-fleet/core/contracts';
import { BatchDispatcher, BatchKeeper, enqueueWebhook, slotsOf, type BatchRecord } from '@rerank-fleet/core/jobs';
import { JobsApi, type JobsApiOptions } from './jobs-support.js';

const TWO_A_SLICE = Array.from({ length: 512 }, () => 'a document');
const SILENT = { warn: () => undefined, error: () => undefined };

export interface SubmitOptions extends Partial<JobOptions> {
  readonly tenantKey?: string;
}

/** The API on a real Redis and real files; the test does the slices, as a worker would. */
export class JobsReadApi {
  readonly api: JobsApi;
  readonly keeper: BatchKeeper;

  private constructor(api: JobsApi) {
    this.api = api;
    const { batchLedger: ledger, queue, fleet, now } = api.adapters;
    const dispatcher = new BatchDispatcher({ ledger, queue, slotsOf: slotsOf(fleet), weights: {}, now });
    const onEnded = (record: BatchRecord): Promise<void> => enqueueWebhook(queue, record);
    this.keeper = new BatchKeeper({ jobs: api.jobs, ledger, dispatcher, onEnded, log: SILENT, now });
  }

  static async start(options: JobsApiOptions = {}): Promise<JobsReadApi> {
    return new JobsReadApi(await JobsApi.start(options));
  }

  close(): Promise<void> {
    return this.api.close();
  }

  /** `true` is a good row, `false` a bad one; two good ones make a slice. */
  async submit(rows: readonly boolean[], { tenantKey, ...job }: SubmitOptions = {}): Promise<BatchRecord> {
    const requests = rows.map((isGood, at) => ({ custom_id: `r${at + 1}`, query: isGood ? 'q' : '', documents: TWO_A_SLICE }));
    const answer = await this.api.sendJson({ ...job, requests }, tenantKey === undefined ? {} : { authorization: `Bearer ${tenantKey}` });
    if (answer.status !== 202) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
    return await this.api.record(answer, tenantKey === undefined ? 'default' : tenantOf(tenantKey));
  }

  /** Does a slice as a worker would; the last one ends the job. */
  async finishSlice(record: BatchRecord, slice: number, line: (row: number) => Partial<StoredResultLine> = () => ({})): Promise<void> {
    const { jobs, adapters } = this.api;
    const lines = (await jobs.rows(record, slice)).map(({ row, request: sent }): StoredResultLine => ({
      row,
      custom_id: String(sent['custom_id']),
      status: 'succeeded',
      ...line(row),
    }));
    const count = (status: RowStatus): number => lines.filter((each) => each.status === status).length;
    const counts = { succeeded: count('succeeded'), errored: count('errored'), cancelled: 0, expired: 0, pairs: 1_024 };
    await jobs.writeResults(record, { v: 1, slice, ...counts }, lines);
    if ((await adapters.batchLedger.commit(record.id, slice, counts)) === 'last') await this.keeper.finish(record.tenant, record.id);
  }

  async finish(record: BatchRecord): Promise<void> {
    for (let slice = 0; slice < record.slices; slice += 1) await this.finishSlice(record, slice);
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Response> {
    return fetch(this.api.url + path, { method, headers });
  }

  async results(record: BatchRecord, query = ''): Promise<JobResultLine[]> {
    const answer = await this.get(`/v1/jobs/${record.id}/results${query}`);
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
    return parseLines(await answer.text());
  }
}

/** Keys are named after their tenants. */
export const tenantOf = (key: string): string => key.split('-')[0] ?? '';

export function parseLines(text: string): JobResultLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => jobResultLineSchema.parse(JSON.parse(line)));
}

export const rowsOf = (lines: readonly JobResultLine[]): number[] => lines.map(({ row }) => row);

/** A client of a stream that reads as fast as the test says, and leaves when it says. */
export class StreamClient {
  readonly response: IncomingMessage;
  text = '';
  readonly #request: ClientRequest;

  private constructor(sent: ClientRequest, response: IncomingMessage) {
    this.#request = sent;
    this.response = response;
  }

  static async open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<StreamClient> {
    const sent = request(url, { headers });
    sent.on('error', () => undefined);
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    return new StreamClient(sent, response);
  }

  /** From now on everything is read as it comes. */
  read(): this {
    this.response
      .setEncoding('utf8')
      .on('data', (chunk: string) => (this.text += chunk))
      .resume();
    return this;
  }

  /** Resolves to whether the answer was whole. */
  async end(): Promise<boolean> {
    if (!this.response.closed) await new Promise((resolve) => this.response.once('close', resolve));
    return this.response.complete;
  }

  leave(): void {
    this.#request.destroy();
  }
}
