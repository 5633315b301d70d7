/** Frames of four families of models, as their tokenizer.json writes them. */
export type TinyLayout = 'bert' | 'roberta' | 'xlm-roberta' | 'modernbert';

export interface TinyTokenizer {
  /** Content of tokenizer.json. */
  readonly file: Readonly<Record<string, unknown>>;
  readonly ids: ReadonlyMap<string, number>;
}

const LETTERS = Array.from('abcdefghijklmnopqrstuvwxyz0123456789');
const PUNCTUATION = Array.from('.,;:!?\'"()[]{}-_/\\&%$#@*+=<>|~^`');

/** Whole words of every tiny vocabulary. */
export const TINY_WORDS = (
  'apple tree trees prune pruning fruit garden winter spring summer best practices for the of and in to how cut branch branches shears steel blade ' +
  'stock price market shares rose fell pie bake oven sugar recipe berlin city people population river warm up query document passage search rank'
).split(' ');

/** Words of the BERT layout that make the tiny model misbehave; see `writeTinyModel`. */
export const TINY_FAULTS = { throws: 'poison', notANumber: 'nowhere', slow: 'slow', hangs: 'hang' } as const;

export function tinyTokenizer(layout: TinyLayout): TinyTokenizer {
  switch (layout) {
    case 'bert':
      return wordPiece();
    case 'xlm-roberta':
      return unigram();
    case 'roberta':
      return byteLevel(['<s>', '<pad>', '</s>', '<unk>'], (ids) => ({
        type: 'RobertaProcessing',
        sep: ['</s>', ids.get('</s>')],
        cls: ['<s>', ids.get('<s>')],
        trim_offsets: true,
        add_prefix_space: false,
      }));
    case 'modernbert':
      return byteLevel(['[CLS]', '[PAD]', '[SEP]', '[UNK]'], (ids) => ({
        type: 'Sequence',
        processors: [
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false },
          template(ids, '[CLS] A [SEP]', '[CLS] A [SEP] B [SEP]'),
        ],
      }));
  }
}

type Ids = ReadonlyMap<string, number>;

export const numbered = (tokens: readonly string[]): Ids => new Map([...new Set(tokens)].map((token, id) => [token, id]));

export function assemble(parts: {
  readonly ids: Ids;
  readonly special: readonly string[];
  /** Special tokens that take the white space before them. */
  readonly lstripped?: readonly string[];
  /** Added tokens that are not special, and are looked for in the normalized text. */
  readonly plain?: readonly string[];
  readonly stages: Readonly<Record<string, unknown>>;
}): TinyTokenizer {
  const { ids, special, lstripped = [], plain = [], stages } = parts;
  const added = [...plain, ...special].map((content) => ({
    id: ids.get(content),
    content,
    single_word: false,
    lstrip: lstripped.includes(content),
    rstrip: false,
    normalized: plain.includes(content),
    special: special.includes(content),
  }));
  return {
    ids,
    file: { version: '1.0', truncation: null, padding: null, added_tokens: added, normalizer: null, decoder: null, ...stages },
  };
}

/** `[CLS] A [SEP] B:1 [SEP]:1` → pieces of a TemplateProcessing. */
export function template(ids: Ids, single: string, pair: string): object {
  const pieces = (text: string): object[] =>
    text.split(' ').map((piece) => {
      const [id = '', type = '0'] = piece.split(':');
      return id === 'A' || id === 'B' ? { Sequence: { id, type_id: Number(type) } } : { SpecialToken: { id, type_id: Number(type) } };
    });
  const names = [...new Set(pair.split(' ').map((piece) => piece.split(':')[0] ?? ''))].filter((name) => name !== 'A' && name !== 'B');
  const special = names.map((name) => [name, { id: name, ids: [ids.get(name)], tokens: [name] }]);
  return { type: 'TemplateProcessing', single: pieces(single), pair: pieces(pair), special_tokens: Object.fromEntries(special) as object };
}

function wordPiece(): TinyTokenizer {
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  const faults = [TINY_FAULTS.notANumber, TINY_FAULTS.slow, TINY_FAULTS.hangs];
  const pieces = [...LETTERS, ...PUNCTUATION, ...LETTERS.map((letter) => `##${letter}`), '##ing', '##s', 'é', '北', '京', ...TINY_WORDS];
  // Last, so that a word table one row short has no embedding for it.
  const ids = numbered([...special, ...pieces, ...faults, TINY_FAULTS.throws]);
  return assemble({
    ids,
    special,
    stages: {
      normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
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

function unigram(): TinyTokenizer {
  const special = ['<s>', '<pad>', '</s>', '<unk>'];
  const pieces = ['▁', ...LETTERS, ...PUNCTUATION, 'ing', 's', '北京', ...TINY_WORDS.map((word) => `▁${word}`)];
  const ids = numbered([...special, ...pieces]);
  return assemble({
    ids,
    special,
    stages: {
      normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }] },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'WhitespaceSplit' },
          { type: 'Metaspace', replacement: '▁', add_prefix_space: true, prepend_scheme: 'always' },
        ],
      },
      post_processor: template(ids, '<s> A </s>', '<s> A </s> </s> B </s>'),
      model: {
        type: 'Unigram',
        unk_id: ids.get('<unk>'),
        vocab: [...ids.keys()].map((token) => [token, special.includes(token) ? 0 : token.length - 12]),
      },
    },
  });
}

/** Bytes as printable characters, the alphabet of byte-level vocabularies: those that print stand for themselves, the rest from U+0100 on. */
export function byteAlphabet(): string[] {
  const prints = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(prints(byte) ? byte : next++));
}

function byteLevel(special: readonly string[], postProcessor: (ids: Ids) => object): TinyTokenizer {
  const alphabet = byteAlphabet();
  const merges: [string, string][] = [];
  for (const word of TINY_WORDS) {
    let merged = word[0] ?? '';
    for (const letter of word.slice(1)) {
      merges.push([merged, letter]);
      merged += letter;
    }
    merges.push([alphabet[32] ?? '', merged]);
  }
  const unique = [...new Map(merges.map((merge) => [merge.join(''), merge])).values()];
  const ids = numbered([...special, ...alphabet, ...unique.map((merge) => merge.join(''))]);
  return assemble({
    ids,
    special,
    stages: {
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: postProcessor(ids),
      decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', unk_token: null, merges: unique.map((merge) => merge.join(' ')), vocab: Object.fromEntries(ids) },
    },
  });
}
