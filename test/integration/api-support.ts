import { createApp } from '@rerank-fleet/api';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { CorpusBody, IngestJobBody, Problem, RerankResponse } from '@rerank-fleet/core/contracts';
import type { InjectOptions } from 'fastify';
import { pino } from 'pino';
import { Writable } from 'node:stream';
import { apiConfig, FakeFleet } from '../support/api-fakes.js';

/** What tests read of bodies; each route answers some of it. */
export interface AnswerBody
  extends Omit<Problem, 'status'>, Omit<RerankResponse, 'id'>, Omit<IngestJobBody, 'errors' | 'object' | 'status'> {
  readonly status: string | number;
  readonly object: string;
  readonly data: readonly CorpusBody[];
  readonly openapi: string;
}

export interface Answer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  json(): AnswerBody;
}

export interface TestApi {
  readonly app: NestFastifyApplication;
  readonly fleet: FakeFleet;
  /** Lines of the log. */
  readonly log: Record<string, unknown>[];
  inject(options: InjectOptions): Promise<Answer>;
  /** Starts to listen on a free port. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** The real edge over fakes of what stands behind it. */
export async function startTestApi(env: Readonly<Record<string, string>> = {}): Promise<TestApi> {
  const fleet = new FakeFleet();
  const log: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  const app = await createApp({ config: apiConfig(env), logger: pino({ level: 'debug' }, sink), adapters: fleet.adapters });
  return {
    app,
    fleet,
    log,
    inject: async (options) => (await app.inject(options)) as unknown as Answer,
    listen: async () => {
      await app.listen(0, '127.0.0.1');
      return await app.getUrl();
    },
    close: () => app.close(),
  };
}
