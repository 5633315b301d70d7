export * from './document-metrics.js';
export * from './metric-definition.js';
export * from './metric-set.js';
export * from './metrics.js';
export { prefersOpenMetrics, type MetricsFormat } from './open-metrics.js';
