import { describe, expect, it } from 'vitest';
import { hideTexts } from './hide-texts.js';

const TASK = { v: 1, id: 'a', tenant: 'acme', request_id: 'r', pool: 'default', enqueued_ms: 1 };
const SECRET = 'hunter2';

describe(hideTexts, () => {
  it.each([
    {
      ...TASK,
      body: {
        kind: 'rerank',
        stages: [{ model: { name: 'm', sha256: 's' } }],
        query: SECRET,
        documents: [SECRET, SECRET],
        top_n: 1,
        long_document: 'truncate',
      },
    },
    { ...TASK, body: { kind: 'corpus', corpus: 'manuals', change: { op: 'delete_documents', corpus_id: 'c', seq: 1, ids: [SECRET] } } },
    { ...TASK, body: { kind: 'of another release', text: SECRET } },
    { text: SECRET },
    { v: 1, tenant: 'acme', job_id: 'job_1', text: SECRET },
    SECRET,
  ])('shows no text of a tenant', (task) => {
    expect(JSON.stringify(hideTexts(task))).not.toContain(SECRET);
  });

  it('shows whose a task is, and of what job', () => {
    const slice = { ...TASK, body: { kind: 'batch', job_id: 'job_1', slice: 3 } };
    expect(hideTexts(slice)).toEqual(slice);
    const webhook = { v: 1, tenant: 'acme', job_id: 'job_1' };
    expect(hideTexts(webhook)).toEqual(webhook);
    expect(hideTexts({ ...TASK, body_ref: '{rf}:body:a' })).toMatchObject({ tenant: 'acme', body_ref: '{rf}:body:a' });
  });
});
