export * from './content-hash.js';
export * from './promoted-version.js';
export * from './reindex.js';
export * from './reindex-work.js';
