import { createRequire } from 'node:module';

/** Version of onnxruntime, read from its package: loading the runtime itself is left to the inference threads. */
export function runtimeVersion(): string {
  return (createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }).version;
}
