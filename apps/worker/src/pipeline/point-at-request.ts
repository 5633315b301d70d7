import { RerankError } from '@rerank-fleet/core/errors';
import type { CrossEncoder } from '@rerank-fleet/core/ports';

/** The model fails on one passage of a request, and would on no other. */
export class PassageFault extends RerankError {
  readonly #fault: RerankError;

  constructor(
    /** Its position in the request. */
    readonly passage: number,
    fault: RerankError,
  ) {
    const { code, detail, cause } = fault;
    super(code, `Document ${passage}: ${detail}`, { errors: [{ pointer: `/documents/${passage}`, detail }], cause });
    this.#fault = fault;
  }

  /** The same of a request in which the passage has another position. */
  at(passage: number): PassageFault {
    return new PassageFault(passage, this.#fault);
  }

  /** The same, where the client sent no documents but knows this one by its id. */
  of(documentId: string): RerankError {
    const { code, detail, cause } = this.#fault;
    return new RerankError(code, `A passage of the document "${documentId}": ${detail}`, { cause });
  }
}

/** A cross-encoder numbers the passages that it was given; the client knows those of its request, which `indices` says. */
export function pointAtRequest(error: unknown, { name }: Pick<CrossEncoder, 'name'>, indices: readonly number[]): unknown {
  if (error instanceof PassageFault) return error.at(indices[error.passage] ?? error.passage);
  if (!(error instanceof RerankError) || error.code !== 'pair_too_long') return error;
  const [fault] = error.errors;
  const index = indices[Number(fault?.pointer.slice(fault.pointer.lastIndexOf('/') + 1))];
  if (fault === undefined || index === undefined) return error;
  const advice = 'Split it, or send long_document "truncate" or "chunk".';
  return new RerankError('pair_too_long', `Document ${index} ${fault.detail}, all that ${name} takes beside the query. ${advice}`, {
    errors: [{ pointer: `/documents/${index}`, detail: fault.detail }],
  });
}
