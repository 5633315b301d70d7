/**
 * What runtimes say when an allocation fails; onnxruntime gives a message and no code. The arena of every provider says the first two, the C++ library the
 * third (MSVC the longer form), CUDA, Vulkan and Dawn the next ones, V8 the last.
 */
const SIGNS: readonly RegExp[] = [
  /failed to allocate memory/i,
  /available memory of \d+ is smaller than requested/i,
  /\bbad[_ ]alloc(ation)?\b/i,
  /\bout[ _]of[ _]((host|device)[ _])?memory\b/i,
  /ERROR_OUT_OF_\w*MEMORY|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED/,
  /exceeds the max buffer size limit/i,
  /array buffer allocation failed/i,
];

/** Whether a batch failed for want of memory, so that a smaller one may pass. */
export function saysOutOfMemory(message: string): boolean {
  return SIGNS.some((sign) => sign.test(message));
}
