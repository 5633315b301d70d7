/**
 * ONNX Runtime reports its use to its makers, and keeps what it has not sent yet beside a number of the machine in `~/.cache/Microsoft`, unless `ORT_DISABLE_TELEMETRY` is set before it
 * starts (https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md). A service that others run tells nobody. Call it on the main thread: the runtime reads the process's
 * environment, of which a thread has a copy. What the user has set stays.
 */
export function silenceModelRuntime(env: NodeJS.ProcessEnv = process.env): void {
  env['ORT_DISABLE_TELEMETRY'] ??= '1';
}
