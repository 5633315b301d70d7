export * from './promoted-version.js';
