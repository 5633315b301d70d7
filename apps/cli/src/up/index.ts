export { ensurePip } from './ensure-pip.js';
export { resolveRedisBinary, type RedisBinary, type RedisBinaryOptions } from './redis-binary.js';
export { StackError } from './stack-error.js';
export type { RestartPolicy, RunningStack, StackOptions, StackOutput } from './stack-options.js';
export { startStack } from './start-stack.js';
