import { BLOCKS, SENTENCES } from './multilingual-texts.ts';
import { precompiledMap } from './precompiled-map.ts';
import { assemble, byteAlphabet, numbered, template, type TinyTokenizer } from './tiny-tokenizers.ts';

/** Tokenizers with the normalizers, pre-tokenizers, models and added tokens of real families, and vocabularies of many scripts. */
export type MultilingualLayout = 'bert' | 'bert-cased' | 'roberta' | 'xlm-roberta' | 'xlm-roberta-metaspace' | 'modernbert';
export const MULTILINGUAL_LAYOUTS: readonly MultilingualLayout[] = [
  'bert',
  'bert-cased',
  'roberta',
  'xlm-roberta',
  'xlm-roberta-metaspace',
  'modernbert',
];

export function multilingualTokenizer(layout: MultilingualLayout): TinyTokenizer {
  switch (layout) {
    case 'bert':
      return wordPiece(true);
    case 'bert-cased':
      return wordPiece(false);
    case 'roberta':
      return roberta();
    case 'xlm-roberta':
      return unigram([{ type: 'WhitespaceSplit' }, metaspace]);
    case 'xlm-roberta-metaspace':
      return unigram([metaspace]);
    case 'modernbert':
      return modernBert();
  }
}

const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };

/** Parts of words that come twice or more, of at most six characters: first with what begins the word, then within it. */
function wordParts(texts: readonly string[]): { readonly starts: string[]; readonly insides: string[] } {
  const starts = new Map<string, number>();
  const insides = new Map<string, number>();
  const count = (into: Map<string, number>, part: string): void => void into.set(part, (into.get(part) ?? 0) + 1);
  for (const word of texts.flatMap((text) => text.match(/[\p{L}\p{M}\p{N}]+|[^\s\p{L}\p{M}\p{N}]/gu) ?? [])) {
    const letters = Array.from(word);
    for (let length = 1; length <= 6; length += 1) {
      if (letters.length >= length) count(starts, letters.slice(0, length).join(''));
      for (let from = 1; from + length <= letters.length; from += 1) count(insides, letters.slice(from, from + length).join(''));
    }
  }
  const often = (parts: Map<string, number>): string[] =>
    [...parts].filter(([part, times]) => times > 1 || Array.from(part).length === 1).map(([part]) => part);
  return { starts: often(starts), insides: often(insides) };
}

/** Every second character of the blocks, so that the others are unknown. */
const blockCharacters = (): string[] =>
  BLOCKS.flatMap(([, first, last]) =>
    Array.from({ length: Math.ceil((last - first + 1) / 2) }, (_, index) => String.fromCodePoint(first + 2 * index)),
  );

function wordPiece(lowercase: boolean): TinyTokenizer {
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  const plain = (text: string): string =>
    lowercase
      ? text
          .normalize('NFD')
          .replaceAll(/\p{Mn}/gu, '')
          .toLowerCase()
      : text;
  const { starts, insides } = wordParts(SENTENCES.map(plain));
  const characters = blockCharacters();
  const ids = numbered([...special, ...starts, ...characters, ...[...insides, ...characters].map((part) => `##${part}`)]);
  return assemble({
    ids,
    special,
    stages: {
      normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: template(ids, '[CLS] A [SEP]', '[CLS] A [SEP] B:1 [SEP]:1'),
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(ids),
      },
    },
  });
}

function unigram(pretokenizers: readonly object[]): TinyTokenizer {
  const special = ['<s>', '<pad>', '</s>', '<unk>', '<mask>'];
  const { starts, insides } = wordParts(SENTENCES.map((text) => text.normalize('NFKC')));
  const characters = blockCharacters().filter((character) => character.normalize('NFKC') === character);
  const ids = numbered([...special, '▁', ...starts.map((part) => `▁${part}`), ...insides, ...characters]);
  // Scores with many digits: no two ways to cut a word are worth the same.
  const score = (token: string, id: number): number =>
    Math.round((Array.from(token).length * 1.75 - 14 - ((id * id * 7_919) % 10_007) / 10_007) * 1e6) / 1e6;
  return assemble({
    ids,
    special,
    lstripped: ['<mask>'],
    stages: {
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Precompiled', precompiled_charsmap: precompiledMap() },
          { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
        ],
      },
      pre_tokenizer: { type: 'Sequence', pretokenizers },
      post_processor: template(ids, '<s> A </s>', '<s> A </s> </s> B </s>'),
      model: {
        type: 'Unigram',
        unk_id: ids.get('<unk>'),
        vocab: [...ids].map(([token, id]) => [token, special.includes(token) ? 0 : score(token, id)]),
        byte_fallback: false,
      },
    },
  });
}

/** Merges as byte-pair encoding learns them from the sentences: the most frequent pair each time, the first seen among equals. */
function learnMerges(count: number): [string, string][] {
  const alphabet = byteAlphabet();
  const words = SENTENCES.flatMap((text) => text.match(/ ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+/gu) ?? []);
  const sequences = words.map((word) => Array.from(Buffer.from(word), (byte) => alphabet[byte]!));
  const merges: [string, string][] = [];
  while (merges.length < count) {
    const pairs = new Map<string, number>();
    for (const symbols of sequences)
      for (let at = 1; at < symbols.length; at += 1) {
        const pair = `${symbols[at - 1]!}\n${symbols[at]!}`;
        pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
      }
    const [best] = [...pairs].reduce((most, pair) => (pair[1] > most[1] ? pair : most));
    const [left = '', right = ''] = best.split('\n');
    merges.push([left, right]);
    for (const symbols of sequences)
      for (let at = symbols.length - 1; at > 0; at -= 1)
        if (symbols[at - 1] === left && symbols[at] === right) symbols.splice(at - 1, 2, left + right);
  }
  return merges;
}

const MERGES = 700;

function byteLevelModel(ids: ReadonlyMap<string, number>, merges: readonly [string, string][]): object {
  return { type: 'BPE', unk_token: null, merges: merges.map((merge) => merge.join(' ')), vocab: Object.fromEntries(ids) };
}

function roberta(): TinyTokenizer {
  const special = ['<s>', '<pad>', '</s>', '<unk>', '<mask>'];
  const merges = learnMerges(MERGES);
  const ids = numbered([...special, ...byteAlphabet(), ...merges.map((merge) => merge.join(''))]);
  return assemble({
    ids,
    special,
    lstripped: ['<mask>'],
    stages: {
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: {
        type: 'RobertaProcessing',
        sep: ['</s>', ids.get('</s>')],
        cls: ['<s>', ids.get('<s>')],
        trim_offsets: true,
        add_prefix_space: false,
      },
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: byteLevelModel(ids, merges),
    },
  });
}

/** Runs of spaces are tokens of their own, matched after normalization. */
function modernBert(): TinyTokenizer {
  const special = ['[UNK]', '[CLS]', '[SEP]', '[PAD]', '[MASK]', '<|endoftext|>'];
  const runs = Array.from({ length: 23 }, (_, index) => ' '.repeat(24 - index));
  const merges = learnMerges(MERGES);
  const ids = numbered([...byteAlphabet(), ...merges.map((merge) => merge.join('')), ...runs, ...special]);
  const words = new Map([...ids].filter(([token]) => !runs.includes(token) && !special.includes(token)));
  return assemble({
    ids,
    special,
    lstripped: ['[MASK]'],
    plain: runs,
    stages: {
      normalizer: { type: 'NFC' },
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: template(ids, '[CLS] A [SEP]', '[CLS] A [SEP] B:1 [SEP]:1'),
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: byteLevelModel(words, merges),
    },
  });
}
