import { taskPayloadSchema, webhookTaskSchema, type TaskBody } from '@rerank-fleet/core/contracts';

/** A task as operators may see it: whose it is and what it is about, without the texts of tenants. */
export function hideTexts(data: unknown): unknown {
  const task = taskPayloadSchema.safeParse(data).data;
  // Webhooks name a job and nothing else; of an unknown form nothing is shown.
  if (task === undefined) return webhookTaskSchema.safeParse(data).data ?? {};
  const { body, ...rest } = task;
  return body === undefined ? rest : { ...rest, body: describe(body) };
}

function describe(body: TaskBody): object {
  switch (body.kind) {
    case 'rerank':
      return { kind: body.kind, stages: body.stages, documents: body.documents.length, top_n: body.top_n };
    case 'search': {
      const { corpus, version } = body.version;
      return { kind: body.kind, corpus, version, mode: body.mode, top_k: body.top_k, top_n: body.top_n };
    }
    case 'corpus':
      return { kind: body.kind, corpus: body.corpus, change: body.change.op };
    case 'ingest':
    case 'batch':
      return body;
  }
}
