import type { Effort } from '@rerank-fleet/core/ports';
import type { CandidateList, Judgements } from '../support/evaluation-data.ts';
import { meanNdcg } from '../support/ndcg.ts';
import { median } from '../support/report.ts';
import { TOP_N, type OwnWorker } from './own-worker.ts';
import type { StartedPeer } from './peer-list.ts';

export const EFFORTS: readonly Exclude<Effort, 'full'>[] = ['balanced', 'fast'];
/** The goal is one of speed, at no more than this less nDCG@10; which effort has both is what a user wants to know. */
const MOST_LOSS = 0.005;

/** The worker with less than all layers beside a library as it comes, in turns. */
export interface EffortRounds {
  readonly peer: StartedPeer;
  readonly goal: number;
  readonly byEffort: ReadonlyMap<Effort, Round[]>;
}

interface Round {
  readonly ratio: number;
  readonly ndcg: number;
  readonly peerNdcg: number;
}

interface Data {
  readonly lists: readonly CandidateList[];
  readonly judgements: Judgements;
}

/** What each library's speed is meant to be multiplied by; others are not asked. */
export const effortRoundsOf = (peers: readonly StartedPeer[]): EffortRounds[] =>
  peers.flatMap((peer) =>
    peer.effortGoal === undefined
      ? []
      : [{ peer, goal: peer.effortGoal, byEffort: new Map(EFFORTS.map((effort) => [effort, [] as Round[]])) }],
  );

export async function takeEffortTurn(worker: OwnWorker, { peer, byEffort }: EffortRounds, { lists, judgements }: Data): Promise<void> {
  const theirs = await peer.process.score(lists.length, { batch: null, sorted: false });
  const peerNdcg = ndcgOf(theirs.logits, { lists, judgements });
  for (const effort of EFFORTS) {
    const ours = await worker.score(lists, effort);
    byEffort.get(effort)!.push({ ratio: theirs.seconds / ours.seconds, ndcg: ndcgOf(ours.logits, { lists, judgements }), peerNdcg });
  }
}

export function effortRow({ peer, goal, byEffort }: EffortRounds, effort: Exclude<Effort, 'full'>): string[] {
  const rounds = byEffort.get(effort)!;
  const [ratio, ndcg, peerNdcg] = (['ratio', 'ndcg', 'peerNdcg'] as const).map((figure) =>
    median(rounds.map((round) => round[figure])),
  ) as [number, number, number];
  const isMet = ratio >= goal && ndcg >= peerNdcg - MOST_LOSS;
  return [
    peer.process.name,
    effort,
    ratio.toFixed(2),
    `≥ ${goal}`,
    ndcg.toFixed(4),
    peerNdcg.toFixed(4),
    (peerNdcg - ndcg).toFixed(4),
    isMet ? 'met' : 'missed',
  ];
}

/** Documents without a logit are not among the results. */
function ndcgOf(logits: readonly (readonly number[])[], { lists, judgements }: Data): number {
  const rankings = lists.map(({ queryId, documentIds }, at) => {
    const own = logits[at]!;
    const order = [...own.keys()].filter((index) => !Number.isNaN(own[index])).sort((a, b) => own[b]! - own[a]!);
    return [queryId, order.map((index) => documentIds[index]!)] as const;
  });
  return meanNdcg(new Map(rankings), judgements, TOP_N);
}
