/** One question with one answer, so that every client must see the same order. */
export const QUERY = 'best practices for pruning apple trees';
export const DOCUMENTS = [
  'Apple shares rose two percent after a record quarter.',
  'Prune apple trees in late winter: remove dead and crossing branches and open the centre to light.',
  'Bypass shears for cutting fruit tree branches up to 25 mm.',
];
/** Best first. */
export const ORDER = [1, 2, 0];

/** Far longer than the window of the default model, with the answer in its last part only. */
export const LONG_DOCUMENT = [
  ...Array<string>(150).fill('The harbour was quiet and the boats lay at anchor.'),
  ...Array<string>(30).fill(DOCUMENTS[1]!),
].join(' ');
