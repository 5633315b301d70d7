/** What an empty form is filled with by "Load an example". */
export const SAMPLE = {
  query: 'best practices for pruning apple trees',
  documents: [
    'Apple shares rose two percent after a record quarter.',
    'Our test of pruning shears went on for a month; the winner cost 58 euros.',
    'An apple tree bears best on wood of the second year.',
    'Prune apple trees in late winter: remove dead and crossing branches and open the centre to light.',
    'How to prune a neural network without losing accuracy.',
    'Pear trees take the same winter cut as apples; keep the leader a little longer.',
    'The best practices of apple growers in one list: thin early, water deep, prune every winter.',
    'Roses are pruned in spring, when the forsythia flowers.',
  ].join('\n'),
} as const;
