import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { RerankError } from '@rerank-fleet/core/errors';
import { Readable } from 'node:stream';
import type { z } from 'zod';
import { parseWith } from './zod-faults.js';

/** Validates a body, a query or a path parameter with the schema that documents it. */
@Injectable()
export class ZodPipe<Schema extends z.ZodType> implements PipeTransform<unknown, z.output<Schema>> {
  constructor(
    private readonly schema: Schema,
    /** Stands in for a body that is not there. */
    private readonly initial?: unknown,
  ) {}

  transform(value: unknown, { type, data }: Pick<ArgumentMetadata, 'type' | 'data'>): z.output<Schema> {
    const whole = type === 'param' ? `The ${data ?? 'parameter'} in the path` : type === 'query' ? 'The query string' : 'The body';
    return parseWith(this.schema, asJson(value) ?? this.initial, whole);
  }
}

/** Streamed bodies are for the routes that read them. */
export function asJson(body: unknown): unknown {
  if (body instanceof Readable) throw new RerankError('unsupported_media_type', 'Send application/json here.');
  return body;
}
