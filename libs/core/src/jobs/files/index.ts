export { FILES, type OutputKind } from './file-layout.js';
export * from './file-store.js';
export * from './openai-batches.js';
export * from './purge-files.js';
