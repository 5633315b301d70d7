export * from './batch/index.js';
export * from './files/index.js';
export * from './given-up-slices.js';
export * from './ingest-jobs.js';
export * from './ingest-upload.js';
export type { IngestJobRecord } from './ingest-job-record.js';
export { isReindexId, newReindexId, timeOfJobId } from './job-id.js';
