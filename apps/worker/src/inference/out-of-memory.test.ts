import { describe, expect, it } from 'vitest';
import { saysOutOfMemory } from './out-of-memory.js';

describe('saysOutOfMemory', () => {
  it.each([
    [
      'the arena',
      'bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(…) Failed to allocate memory for requested buffer of size 13111296',
    ],
    ['an arena with a bound', 'bfc_arena.cc:376 AllocateRawInternal(…) Available memory of 0 is smaller than requested bytes of 2048'],
    ['the C++ library', "Non-zero status code returned while running Add node. Name:'Add_3' Status Message: std::bad_alloc"],
    ['that of MSVC', "Non-zero status code returned while running Add node. Name:'Add_3' Status Message: bad allocation"],
    ['CUDA', 'CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; file=cuda_stream_handle.cc ; line=175'],
    ['the CUDA driver', 'failed to allocate 32.00M (33554432 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY'],
    ['cuBLAS', 'CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cublasCreate(&cublas_handle_)'],
    ['cuDNN', 'CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0'],
    ['Vulkan', 'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY'],
    ['Dawn', 'WebGPU device error(2): Out of memory'],
    ['the bound of a WebGPU buffer', 'Buffer size (3185049600) exceeds the max buffer size limit (1073741824).'],
    ['V8', 'Array buffer allocation failed'],
  ])('knows what %s says', (_, message) => {
    expect(saysOutOfMemory(message)).toBe(true);
  });

  it.each([
    "Non-zero status code returned while running Gather node. Name:'' Status Message: indices element out of data bounds, idx=99 must be within the inclusive range",
    'The model wants an input "pixels" that no supported layout has.',
    'CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED ; GPU=0',
    'a text about running out of time and memory',
  ])('takes another fault for what it is: %s', (message) => {
    expect(saysOutOfMemory(message)).toBe(false);
  });
});
