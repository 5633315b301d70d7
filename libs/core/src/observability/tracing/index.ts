export * from './open-tracing.js';
export type * from './span-attributes.js';
export * from './spans.js';
export * from './work-frame.js';
export { errorTypeOf, WorkSpan, type SpanRecord, type SpanStart } from './work-span.js';
