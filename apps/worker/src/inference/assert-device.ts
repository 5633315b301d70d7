import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { silenceModelRuntime } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';

export type GpuDevice = 'cuda' | 'webgpu';

const PROBE = fileURLToPath(new URL('./device-probe.js', import.meta.url));
const PROBE_TIMEOUT_MS = 60_000;

const NEEDS: Readonly<Record<GpuDevice, string>> = {
  cuda:
    'It needs an NVIDIA GPU with its driver, CUDA 12 with cuDNN 9, and the CUDA files of onnxruntime ' +
    '(ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install).',
  webgpu: 'It needs a GPU with its driver; on Linux also the Vulkan loader (libvulkan.so.1).',
};

/**
 * Refuses a GPU that is not there, and more than one session on one, before any model is fetched for it. Asked in a process of its own: a driver that crashes is an answer too, and what it
 * keeps in memory goes with it.
 *
 * @throws RerankError `model_unavailable`, with what to do
 */
export async function assertDevice(device: GpuDevice, inferenceThreads = 1): Promise<void> {
  if (inferenceThreads > 1) {
    throw new RerankError(
      'model_unavailable',
      `INFERENCE_THREADS is ${inferenceThreads}, but DEVICE=${device} takes one session: leave it unset, and start one worker for each GPU.`,
    );
  }
  silenceModelRuntime();
  const fault = await new Promise<string | undefined>((resolve) => {
    execFile(process.execPath, [PROBE, device], { timeout: PROBE_TIMEOUT_MS }, (error, stdout) => {
      if (error === null) resolve(undefined);
      else
        resolve(
          reasonOf(stdout) ?? (typeof error.signal !== 'string' ? `status ${String(error.code)}` : `the driver ended with ${error.signal}`),
        );
    });
  });
  if (fault === undefined) return;
  throw new RerankError(
    'model_unavailable',
    `DEVICE=${device}, but this device cannot be used here: ${fault}. ${NEEDS[device]} Or set DEVICE=cpu; the worker never changes to it by itself.`,
  );
}

/** onnxruntime's first line, without the place in its code. */
function reasonOf(said: string): string | undefined {
  const line = said
    .split('\n')[0]
    ?.replace(/^.*was false\. /, '')
    .replace(/\.$/, '')
    .trim();
  return line === '' ? undefined : line;
}
