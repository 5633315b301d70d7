import { Readable } from 'node:stream';
import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import {
  deleteDocumentsRequestSchema,
  ingestRequestSchema,
  type deletedSchema,
  type DocumentListBody,
  type IngestJobBody,
  type storedDocumentSchema,
} from '@rerank-fleet/core/contracts';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { RequiresScope } from '../auth/scope.js';
import { bodyBytes, type BodySource } from '../http/body-bytes.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { parseWith } from '../http/zod-faults.js';
import { ZodPipe } from '../http/zod-pipe.js';
import { isDone, type JobsService } from '../jobs/jobs.service.js';
import { CONFIG, DOCUMENTS_SERVICE, JOBS_SERVICE } from '../tokens.js';
import { documentPageQuerySchema, ingestQuerySchema, type DocumentPageQuery } from './document-queries.js';
import { rowsOf, type DocumentsService } from './documents.service.js';
import { describeDocument } from './read-page.js';
import { readDocuments, type DocumentRow } from './read-documents.js';

@Controller('v1/corpora/:name/documents')
export class DocumentsController {
  constructor(
    @Inject(DOCUMENTS_SERVICE) private readonly documents: DocumentsService,
    @Inject(JOBS_SERVICE) private readonly jobs: JobsService,
    @Inject(CONFIG) private readonly config: Pick<Config, 'http'>,
  ) {}

  @Post()
  @RequiresScope('ingest')
  async ingest(
    @Param('name') name: string,
    @Query(new ZodPipe(ingestQuerySchema)) query: z.infer<typeof ingestQuerySchema>,
    @Body() body: unknown,
    @Context() context: RequestContext,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IngestJobBody> {
    const accepted = await this.documents.ingest(name, this.#rows(body), context);
    const wait = { tenant: context.tenant, timeoutMs: this.config.http.syncTimeoutMs, signal: context.signal };
    const job = query.wait ? await this.jobs.awaitDone(accepted, wait) : accepted;
    void reply.status(query.wait && isDone(job) ? 200 : 202).header('location', job.urls.self);
    return job;
  }

  @Get()
  @RequiresScope('ingest')
  list(
    @Param('name') name: string,
    @Query(new ZodPipe(documentPageQuerySchema)) query: DocumentPageQuery,
    @Context() context: RequestContext,
  ): Promise<DocumentListBody> {
    return this.documents.list(context.tenant, name, query);
  }

  @Post('delete')
  @HttpCode(200)
  @RequiresScope('ingest')
  async deleteMany(
    @Param('name') name: string,
    @Body(new ZodPipe(deleteDocumentsRequestSchema)) selection: z.infer<typeof deleteDocumentsRequestSchema>,
    @Context() context: RequestContext,
  ): Promise<z.infer<typeof deletedSchema>> {
    return { deleted: await this.documents.delete(name, selection, context) };
  }

  @Get(':id')
  @RequiresScope('search')
  async get(
    @Param('name') name: string,
    @Param('id') id: string,
    @Context() context: RequestContext,
  ): Promise<z.infer<typeof storedDocumentSchema>> {
    return describeDocument(await this.documents.get(context.tenant, name, id));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresScope('ingest')
  delete(@Param('name') name: string, @Param('id') id: string, @Context() context: RequestContext): Promise<void> {
    return this.documents.deleteOne(name, id, context);
  }

  /** JSON was read and checked as a whole; NDJSON is read while it comes in. */
  #rows(body: unknown): AsyncIterable<DocumentRow> {
    if (!(body instanceof Readable)) return rowsOf(parseWith(ingestRequestSchema, body).documents);
    const { maxIngestBytes, maxBodyBytes } = this.config.http;
    return readDocuments(
      bodyBytes(body as Readable & BodySource, { maxBytes: maxIngestBytes, advice: 'Send the documents in several uploads.' }),
      maxBodyBytes,
    );
  }
}
