export * from './candidate.js';
export * from './corpus.js';
export * from './document.js';
export * from './filter.js';
export * from './model.js';
export * from './reindex.js';
export * from './score.js';
export * from './stage.js';
