import { stemmer as arabicStemmer } from '@orama/stemmers/arabic';
import { stemmer as danishStemmer } from '@orama/stemmers/danish';
import { stemmer as dutchStemmer } from '@orama/stemmers/dutch';
import { stemmer as englishStemmer } from '@orama/stemmers/english';
import { stemmer as finnishStemmer } from '@orama/stemmers/finnish';
import { stemmer as frenchStemmer } from '@orama/stemmers/french';
import { stemmer as germanStemmer } from '@orama/stemmers/german';
import { stemmer as hungarianStemmer } from '@orama/stemmers/hungarian';
import { stemmer as italianStemmer } from '@orama/stemmers/italian';
import { stemmer as norwegianStemmer } from '@orama/stemmers/norwegian';
import { stemmer as portugueseStemmer } from '@orama/stemmers/portuguese';
import { stemmer as romanianStemmer } from '@orama/stemmers/romanian';
import { stemmer as russianStemmer } from '@orama/stemmers/russian';
import { stemmer as spanishStemmer } from '@orama/stemmers/spanish';
import { stemmer as swedishStemmer } from '@orama/stemmers/swedish';
import { stemmer as turkishStemmer } from '@orama/stemmers/turkish';
import { stopwords as arabicStopwords } from '@orama/stopwords/arabic';
import { stopwords as danishStopwords } from '@orama/stopwords/danish';
import { stopwords as dutchStopwords } from '@orama/stopwords/dutch';
import { stopwords as englishStopwords } from '@orama/stopwords/english';
import { stopwords as finnishStopwords } from '@orama/stopwords/finnish';
import { stopwords as frenchStopwords } from '@orama/stopwords/french';
import { stopwords as germanStopwords } from '@orama/stopwords/german';
import { stopwords as hungarianStopwords } from '@orama/stopwords/hungarian';
import { stopwords as italianStopwords } from '@orama/stopwords/italian';
import { stopwords as norwegianStopwords } from '@orama/stopwords/norwegian';
import { stopwords as portugueseStopwords } from '@orama/stopwords/portuguese';
import { stopwords as romanianStopwords } from '@orama/stopwords/romanian';
import { stopwords as russianStopwords } from '@orama/stopwords/russian';
import { stopwords as spanishStopwords } from '@orama/stopwords/spanish';
import { stopwords as swedishStopwords } from '@orama/stopwords/swedish';
import { stopwords as turkishStopwords } from '@orama/stopwords/turkish';
import { RerankError } from '../errors/index.js';

export interface LanguageRules {
  readonly stem: (word: string) => string;
  readonly stopWords: ReadonlySet<string>;
}

/** A stemmer is only sure to be quick and right on words; longer runs are codes and addresses. */
const LONGEST_WORD = 40;

function rules(stemmer: (word: string) => string, stopWords: readonly string[]): LanguageRules {
  return {
    stem: (word) => (word.length > LONGEST_WORD ? word : stemmer(word)),
    stopWords: new Set(stopWords.map((word) => word.toLowerCase())),
  };
}

const LANGUAGES: ReadonlyMap<string, LanguageRules> = new Map([
  ['none', { stem: (word: string) => word, stopWords: new Set<string>() }],
  ['arabic', rules(arabicStemmer, arabicStopwords)],
  ['danish', rules(danishStemmer, danishStopwords)],
  ['dutch', rules(dutchStemmer, dutchStopwords)],
  ['english', rules(englishStemmer, englishStopwords)],
  ['finnish', rules(finnishStemmer, finnishStopwords)],
  ['french', rules(frenchStemmer, frenchStopwords)],
  ['german', rules(germanStemmer, germanStopwords)],
  ['hungarian', rules(hungarianStemmer, hungarianStopwords)],
  ['italian', rules(italianStemmer, italianStopwords)],
  ['norwegian', rules(norwegianStemmer, norwegianStopwords)],
  ['portuguese', rules(portugueseStemmer, portugueseStopwords)],
  ['romanian', rules(romanianStemmer, romanianStopwords)],
  ['russian', rules(russianStemmer, russianStopwords)],
  ['spanish', rules(spanishStemmer, spanishStopwords)],
  ['swedish', rules(swedishStemmer, swedishStopwords)],
  ['turkish', rules(turkishStemmer, turkishStopwords)],
]);

/** Languages that a version's BM25 constants may name; `none` neither stems nor drops stop words. */
export const BM25_LANGUAGES: readonly string[] = [...LANGUAGES.keys()];

/** @throws RerankError `invalid_request` for a language that is not in `BM25_LANGUAGES` */
export function languageRules(language: string): LanguageRules {
  const found = LANGUAGES.get(language);
  if (found === undefined)
    throw new RerankError('invalid_request', `The BM25 language is not known. Use one of: ${BM25_LANGUAGES.join(', ')}.`);
  return found;
}
