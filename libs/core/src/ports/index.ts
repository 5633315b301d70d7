export * from './blob-store.js';
export * from './candidate-store.js';
export * from './cross-encoder.js';
export * from './document-store.js';
export * from './embedder.js';
export * from './first-stage.js';
export * from './job-queue.js';
export * from './queue-control.js';
