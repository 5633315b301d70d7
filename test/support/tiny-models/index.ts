export { BERT, tinyBertGraph, type TinyBertOptions } from './tiny-bert-graph.js';
export { encodeOnnx } from './onnx-file.js';
export { tinyModernBertGraph } from './tiny-modernbert-graph.js';
export { TINY_WIDTH } from './tiny-graph.js';
export { TINY_FAULTS, TINY_WORDS, tinyTokenizer, type TinyLayout } from './tiny-tokenizers.js';
export { writeLayeredModel, writeTinyModel, type LayeredModelOptions, type TinyModelOptions } from './write-tiny-model.js';
