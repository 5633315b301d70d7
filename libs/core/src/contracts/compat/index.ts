export * from './cohere.js';
export * from './tei.js';
export * from './voyage.js';
