/** Longest run of code points that is composed into one. */
const BMP_COMPOSABLE: readonly (readonly [first: number, last: number])[] = [
  [0xa0, 0x17f],
  [0x1cd, 0x233],
  [0x300, 0x36f],
  [0x37e, 0x3ff],
  [0x400, 0x4ff],
  [0x600, 0x6d5],
  [0x929, 0x9df],
  [0xe33, 0xe33],
  [0x1e00, 0x1fff],
  [0x2010, 0x2190],
  [0x2460, 0x24ff],
  [0x3000, 0x30ff],
  [0x3131, 0x318e],
  [0x3200, 0x33ff],
  [0xf900, 0xfa0d],
  [0xfb00, 0xfdfc],
  [0xfe30, 0xffee],
];
const HANGUL = [0xac00, 0xad00] as const;
/** Removed, and turned into a space, before the rest; as sentencepiece's `nmt_nfkc` does. */
const REMOVED = /[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]/u;
const SPACES = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/u;

/**
 * A `precompiled_charsmap` in the manner of sentencepiece's `nmt_nfkc`, for the blocks above: a double array over UTF-8 bytes whose values are offsets into
 * NUL-terminated replacements. Base64, as tokenizer.json holds it.
 */
export function precompiledMap(): string {
  const rules = new Map<string, string>();
  const add = (from: string, to: string): void => {
    if (from !== to) rules.set(from, to);
  };
  for (let code = 1; code <= 0xffff; code += 1) {
    const character = String.fromCharCode(code);
    if (REMOVED.test(character)) add(character, '');
    else if (SPACES.test(character)) add(character, ' ');
  }
  for (const [first, last] of [...BMP_COMPOSABLE, HANGUL]) {
    for (let code = first; code <= last; code += 1) {
      const character = String.fromCharCode(code);
      const composed = character.normalize('NFKC');
      if (!rules.has(character)) add(character, composed);
      const decomposed = character.normalize('NFD');
      if (!rules.has(decomposed)) add(decomposed, composed);
    }
  }
  return encodeMap(rules);
}

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  value?: number;
}

function encodeMap(rules: ReadonlyMap<string, string>): string {
  const root: TrieNode = { children: new Map() };
  const texts: Buffer[] = [];
  let length = 0;
  for (const [from, to] of rules) {
    let node = root;
    for (const byte of Buffer.from(from)) {
      const next = node.children.get(byte) ?? { children: new Map<number, TrieNode>() };
      node.children.set(byte, next);
      node = next;
    }
    node.value = length;
    const text = Buffer.from(`${to}\0`);
    texts.push(text);
    length += text.length;
  }
  const units = Buffer.from(Uint32Array.from(doubleArray(root)).buffer);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(units.length);
  return Buffer.concat([size, units, ...texts]).toString('base64');
}

const HAS_LEAF = 1 << 8;
const VALUE = 2 ** 31;
/** Offsets from here on are stored in units of 256. */
const WIDE_OFFSETS = 1 << 21;

/**
 * Units as darts-clone lays them out: a child of the node at `place` is at `place ^ offset ^ label`, the value at `place ^ offset`. An offset above 2^21 could not
 * be stored; a map of some thousand rules stays far below.
 */
function doubleArray(root: TrieNode): number[] {
  const units: (number | undefined)[] = [];
  const bases = new Set<number>();
  let search = 1;
  const place = (node: TrieNode, at: number, label: number): void => {
    const labels = [...(node.value === undefined ? [] : [0]), ...node.children.keys()];
    while (units[search] !== undefined) search += 1;
    let base = Math.max(1, search - 255);
    while (bases.has(base) || labels.some((each) => units[base ^ each] !== undefined)) base += 1;
    bases.add(base);
    const offset = base ^ at;
    if (offset >= WIDE_OFFSETS) throw new RangeError('The map is too large.');
    units[at] = (offset << 10) | label | (node.value === undefined ? 0 : HAS_LEAF);
    for (const each of labels) units[base ^ each] = 0;
    if (node.value !== undefined) units[base] = VALUE + node.value;
    for (const [each, child] of node.children) place(child, base ^ each, each);
  };
  units[0] = 0;
  place(root, 0, 0);
  return Array.from(units, (unit) => (unit ?? 0) >>> 0);
}
