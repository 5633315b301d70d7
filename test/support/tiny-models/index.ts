export { TINY_WIDTH } from './tiny-graph.js';
export { TINY_FAULTS, TINY_WORDS, tinyTokenizer, type TinyLayout } from './tiny-tokenizers.js';
export { writeTinyModel, type TinyModelOptions } from './write-tiny-model.js';
