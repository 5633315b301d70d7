export * from './ingest-jobs.js';
