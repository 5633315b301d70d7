export * from './batch/index.js';
export * from './files/index.js';
export * from './ingest-jobs.js';
export { timeOfJobId } from './job-id.js';
