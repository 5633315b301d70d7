export * from './batch-dispatcher.js';
export * from './batch-jobs.js';
export * from './batch-keeper.js';
export * from './batch-layout.js';
export * from './batch-ledger.js';
export * from './batch-record.js';
export * from './batch-upload.js';
export * from './slots-of.js';
