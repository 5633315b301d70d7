export * from './cohere.js';
export * from './openai-batches.js';
export * from './openai-files.js';
export * from './tei.js';
export * from './voyage.js';
