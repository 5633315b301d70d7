export * from './error-catalogue.js';
export * from './invariant-error.js';
export * from './mends-with-time.js';
export * from './rerank-error.js';
