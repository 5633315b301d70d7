export type { Adapters, OpenAdapters } from './adapters.module.js';
export { createApp } from './create-app.js';
export { openApiDocument } from './openapi/openapi-document.js';
