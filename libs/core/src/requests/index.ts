export * from './choose-stages.js';
export * from './fleet-view.js';
export * from './minimum-logit.js';
export * from './read-job-row.js';
export * from './request-router.js';
export * from './rerank-request.js';
export * from './route-request.js';
export * from './search-request.js';
