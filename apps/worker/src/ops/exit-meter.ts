import { noteOnSpan, spanNow, type Logger } from '@rerank-fleet/core/observability';
import type { ExitObserver } from '../pipeline/early-exit.js';
import type { WorkerInstruments } from './worker-metrics.js';

type Told<Name extends keyof ExitObserver> = Parameters<ExitObserver[Name]>[0];

/** Counts what early exit saves, and how good its predictions are. */
export class ExitMeter implements ExitObserver {
  readonly #instruments: WorkerInstruments;
  readonly #names: ReadonlyMap<string, string>;
  readonly #log: Logger;

  constructor(
    instruments: WorkerInstruments,
    { models, log }: { readonly models: readonly { readonly name: string; readonly sha256: string }[]; readonly log: Logger },
  ) {
    this.#instruments = instruments;
    this.#names = new Map(models.map(({ name, sha256 }) => [sha256, name]));
    this.#log = log;
  }

  cutMade({ model, layer, before, after }: Told<'cutMade'>): void {
    const labels = { model: this.#nameOf(model), layer: String(layer) };
    this.#instruments.exitPairs.add(before - after, { ...labels, outcome: 'left' });
    this.#instruments.exitPairs.add(after, { ...labels, outcome: 'stayed' });
    spanNow()?.event('pairs left', { 'rerank.layer': layer, 'rerank.pairs': before - after });
  }

  pairsEnded({ model, pairs, layersRun, layers }: Told<'pairsEnded'>): void {
    const label = { model: this.#nameOf(model) };
    this.#instruments.layersRun.add(pairs * layersRun, label);
    this.#instruments.layersPossible.add(pairs * layers, label);
  }

  predictionOff({ model, layer, sigmas }: Told<'predictionOff'>): void {
    this.#instruments.exitError.observe(Math.abs(sigmas), { model: this.#nameOf(model), layer: String(layer) });
  }

  ranFull({ model, reason, error }: Told<'ranFull'>): void {
    this.#instruments.exitFull.add(1, { model: this.#nameOf(model), reason });
    noteOnSpan({ 'rerank.effort.reason': reason });
    if (error !== undefined)
      this.#log.warn({ err: error, model: this.#nameOf(model) }, 'A segment failed; the whole model scored its pairs.');
  }

  #nameOf(sha256: string): string {
    return this.#names.get(sha256) ?? 'unknown';
  }
}
