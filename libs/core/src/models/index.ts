export * from './file-digest.js';
export * from './file-lock.js';
export * from './manifest.js';
export { defaultCacheDirectory, modelsRoot } from './model-directories.js';
export * from './model-list.js';
export { parseModelReference } from './model-name.js';
export * from './model-options.js';
export { pullModel, resolveModel } from './model-resolver.js';
export { downloadWheel, readWheelFiles, WheelError, type WheelOptions } from './python-wheel.js';
