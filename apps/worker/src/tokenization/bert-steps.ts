import { normalizeForm } from './normalize-form.js';
import { BERT_WORD, DECOMPOSING, IDEOGRAPH, MARK, REMOVED, WHITE_SPACE } from './reference-characters.js';

export interface BertNormalizerConfig {
  readonly clean_text?: boolean | null;
  readonly handle_chinese_chars?: boolean | null;
  /** Null means: where `lowercase` is. */
  readonly strip_accents?: boolean | null;
  readonly lowercase?: boolean | null;
}

const PLAIN = /^[ -~]*$/;

/** BertNormalizer in the reference's order: clean, set ideographs apart, strip accents, lower each character by itself. */
export function bertNormalizer(config: BertNormalizerConfig): (text: string) => string {
  const clean = config.clean_text ?? true;
  const apart = config.handle_chinese_chars ?? true;
  const lowercase = config.lowercase ?? true;
  const strip = config.strip_accents ?? lowercase;
  return (given) => {
    if (PLAIN.test(given)) return lowercase ? given.toLowerCase() : given;
    let text = given;
    if (clean) text = text.replaceAll(REMOVED, '').replaceAll(WHITE_SPACE, ' ');
    if (apart) text = text.replaceAll(IDEOGRAPH, ' $& ');
    if (strip) text = text.replaceAll(DECOMPOSING, (run) => normalizeForm(run, 'NFD')).replaceAll(MARK, '');
    // Of all letters only the sigma has a lower case that depends on its place.
    return lowercase ? text.replaceAll('\u03a3', '\u03c3').toLowerCase() : text;
  };
}

export function bertPreTokenize(text: string): string[] {
  return text.match(BERT_WORD) ?? [];
}
