import { BLOCKS, SENTENCES } from '../support/tiny-models/multilingual-texts.ts';
import { randomWeights } from '../support/tiny-models/random-weights.ts';

export interface TokenCase {
  readonly query: string;
  readonly passage: string;
}

/** Tokens of a pair in the token tests, special tokens included; long passages are cut to it. */
export const TOKEN_WINDOW = 192;
/** UTF-8 bytes of a query; no tokenizer makes more tokens than bytes of it, so that 32 tokens and more are left to the passage. */
const MOST_QUERY_BYTES = 120;

const SPACES = [
  ' ',
  ' ',
  ' ',
  '  ',
  '    ',
  '\t',
  '\n',
  '\r\n',
  '\u00a0',
  '\u1680',
  '\u2003',
  '\u2009',
  '\u202f',
  '\u3000',
  '\v',
  '\f',
  '\u2028',
];
const JOINTS = [
  '',
  '',
  ' ',
  '\u200b',
  '\u200c',
  '\u200d',
  '\u2060',
  '\ufeff',
  '\u00ad',
  '\u200e',
  '\u202b',
  '-',
  '_',
  '/',
  '.',
  '\u2019',
  '\u0301',
];

const EMOJI = ['🍎', '👩‍🚀', '👨‍👩‍👧‍👦', '🏳️‍🌈', '🇩🇪🇫🇷', '🇯🇵', '👍🏽', '1️⃣', '#️⃣', '☃️', '❤️‍🔥', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '🤷🏻‍♀️', '😀😃😄', '🫠'];

/** What looks like a special token to some model, whole and in parts. */
const LOOKALIKES = [
  '[SEP]',
  '[CLS]',
  '[PAD]',
  '[MASK]',
  '[UNK]',
  '[sep]',
  '[ SEP ]',
  '[SEP',
  'SEP]',
  '[[SEP]]',
  '</s>',
  '<s>',
  '<pad>',
  '<unk>',
  '<mask>',
  '</S>',
  '< /s>',
  '<s></s><s>',
  '##ing',
  '▁the',
  'Ġthe',
  '<|endoftext|>',
  '<0x41>',
];

/** Texts that some step of some tokenizer treats in its own way. */
const CORNERS = [
  ' ',
  '\n',
  '\u0001',
  '\u200d',
  'x',
  'a'.repeat(99),
  'a'.repeat(100),
  'a'.repeat(101),
  'é'.repeat(100),
  'e\u0301'.repeat(60),
  'ab'.repeat(400),
  '語'.repeat(300),
  '🍎'.repeat(120),
  '1234567890'.repeat(30),
  '.'.repeat(250),
  'ΣΊΣΥΦΟΣ και ΟΔΟΣ, ΑΣ ΣΑΣ',
  'İstanbul IĞDIR ı ß ẞ ﬀ ǅ ŉ',
  'Å Å Å ﬁ ² ½ ℃ ㎏ ㌔ Ⅷ ﷼',
  'e\u0301 é e\u0302\u0301 ế o\u0308\u0304 ȫ q\u0307\u0323 q\u0323\u0307',
  'Z\u0351\u036b\u0343a\u0321\u034al\u0322\u0334g\u0335o\u0321',
  '\u1112\u1161\u11ab\u1100\u1173\u11af 한글 ㅎㅏㄴ',
  'क्षि कि\u200dक क्\u200cष ज़ ड़',
  'กำ ก\u0e33 ก\u0e4d\u0e32 น้ำ',
  'が か\u3099 ｶﾞ ﾊﾟ',
  '\u0300start \u0338 lone marks \u0301',
  'can\u2019t can\u0027t CAN\u02bcT it\u0027S we\u0027LL I\u0027d they\u0027ve',
  'a\u0085b\u2028c\u2029d\u001ce\u001ff\u0007g\u007fh\u0080i\u009fj',
  '\ufffd replacement \ufffc object \u2581 block \uff5e tilde ~',
  '\ue000\uf8ff\u{f0000} private \u{10ffff}',
  '\uffff\ufdd0\u{1fffe} nobody',
  '\ud7ff\ue000\u{10000}\u{1f3fb}\u{e0061}',
  '㐀 䶿 一 鿿 \u{20000} \u{2a6df} \u{2a700} \u{2b81d} \u{2b820} \u{2b920} \u{2f800} 豈',
  'C++ C# .NET x86_64 foo::bar() <div class="a">&amp;</div> {"k": [1, 2]}',
  'https://example.org/a_b?c=d&e=%20#f me+you@example.org /usr/bin 3.14e-10 0xFF',
  '  leading and trailing  ',
  'tab\tseparated\tvalues\r\nwith\r\nlines\n\n\nand gaps      of     spaces',
];

class Random {
  readonly #next = randomWeights(20_261_121);

  below(bound: number): number {
    return Math.min(bound - 1, Math.floor(((this.#next(1, 1)[0]! + 1) / 2) * bound));
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

/**
 * The same pairs each time: own sentences, random words of many blocks with all kinds of white space and joiners, emoji, control characters, what looks like
 * special tokens, and corner cases. No lone surrogates and no NUL, which no request may hold.
 */
export function tokenCases(): readonly TokenCase[] {
  const random = new Random();
  const query = (): string => shorten(random.of([...SENTENCES, ...EMOJI, ...LOOKALIKES]));
  const corners = CORNERS.flatMap((text) => [
    { query: shorten(text), passage: random.of(SENTENCES) },
    { query: query(), passage: text },
    { query: query(), passage: `${random.of(SENTENCES)} ${text}${random.of(SENTENCES)}` },
  ]);
  const controls = Array.from({ length: 64 }, (_, code) => String.fromCharCode(code < 32 ? code || 0x7f : code + 0x60));
  return [
    ...SENTENCES.map((passage) => ({ query: query(), passage })),
    ...SENTENCES.map((passage) => ({ query: query(), passage: passage.toUpperCase().normalize('NFD') })),
    ...SENTENCES.map(() => ({ query: query(), passage: Array.from({ length: 9 }, () => random.of(SENTENCES)).join(random.of(SPACES)) })),
    ...corners,
    ...controls.map((control) => ({ query: query(), passage: `before${control}after ${control} x${control}` })),
    ...[...EMOJI, ...LOOKALIKES].map((text) => ({
      query: query(),
      passage: `${text} and${text}with ${text}${text}, ${text.toLowerCase()}`,
    })),
    ...BLOCKS.flatMap((block) =>
      Array.from({ length: 4 }, () => ({ query: shorten(words(random, [block], 3)), passage: words(random, [block], 14) })),
    ),
    ...Array.from({ length: 160 }, () => ({
      query: shorten(words(random, BLOCKS, 4)),
      passage: words(random, BLOCKS, 1 + random.below(60)),
    })),
    ...Array.from({ length: 80 }, () => ({ query: query(), passage: medley(random) })),
  ];
}

type Block = (typeof BLOCKS)[number];

/** Random words, each of one block, with random gaps. */
function words(random: Random, blocks: readonly Block[], count: number): string {
  const word = (): string => {
    const [, first, last] = random.of(blocks);
    const letter = (): string => String.fromCodePoint(first + random.below(last - first + 1));
    return Array.from({ length: 1 + random.below(8) }, letter).join('');
  };
  return Array.from({ length: count }, () => word() + random.of(random.below(4) === 0 ? JOINTS : SPACES)).join('');
}

/** Pieces of everything, run together. */
function medley(random: Random): string {
  const piece = (): string => random.of([random.of(SENTENCES), random.of(EMOJI), random.of(LOOKALIKES), words(random, BLOCKS, 2)]);
  return Array.from({ length: 2 + random.below(8) }, () => piece() + random.of(JOINTS)).join('');
}

function shorten(text: string): string {
  let short = '';
  for (const character of text) {
    if (Buffer.byteLength(short + character) > MOST_QUERY_BYTES) break;
    short += character;
  }
  return short;
}
