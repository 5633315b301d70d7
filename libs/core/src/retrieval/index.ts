export * from './filter-matcher.js';
export * from './key-path.js';
export * from './passage-id.js';
export * from './reciprocal-rank-fusion.js';
export * from './rfc3339.js';
