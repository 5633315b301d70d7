/** Milliseconds; those of k8s/components/scale-by-api, divided by what the simulation is faster. */
export interface ReplicaControllerOptions {
  readonly cooldownMs: number;
  readonly upWindowMs: number;
  readonly downWindowMs: number;
  /** In which a pool may double, or grow by four, and may lose half. */
  readonly policyMs: number;
  readonly maxReplicas: number;
}

interface Sample {
  readonly at: number;
  readonly value: number;
}

/**
 * Replicas as KEDA and the HorizontalPodAutoscaler behind it choose them for a metric of `AverageValue` 1: KEDA goes from none to one and back, the autoscaler does the
 * rest, up to the least and down to the most of what its windows hold, and by no more than its policies let it.
 */
export class ReplicaController {
  readonly #options: ReplicaControllerOptions;
  #wanted: Sample[] = [];
  #replicas: Sample[] = [];
  #activeAt = -Infinity;

  constructor(options: ReplicaControllerOptions) {
    this.#options = options;
  }

  /** @param at milliseconds, never before those of the last call */
  next(at: number, desired: number, replicas: number): number {
    const { cooldownMs, upWindowMs, downWindowMs, policyMs, maxReplicas } = this.#options;
    if (desired > 0) this.#activeAt = at;
    if (replicas === 0) {
      this.#wanted = [];
      this.#replicas = [{ at, value: Math.min(1, desired) }];
      return Math.min(1, desired);
    }
    if (desired === 0 && at - this.#activeAt >= cooldownMs) return 0;
    const wanted = Math.min(maxReplicas, Math.max(1, desired));
    this.#wanted = [...this.#wanted.filter((sample) => at - sample.at <= Math.max(upWindowMs, downWindowMs)), { at, value: wanted }];
    const within = (windowMs: number): number[] => this.#wanted.filter((sample) => at - sample.at <= windowMs).map(({ value }) => value);
    const up = Math.min(...within(upWindowMs));
    const down = Math.max(...within(downWindowMs));
    this.#replicas = [...this.#replicas.filter((sample) => at - sample.at <= policyMs), { at, value: replicas }];
    const before = this.#replicas[0]!.value;
    const most = Math.max(2 * before, before + 4);
    const least = Math.ceil(before / 2);
    if (up > replicas) return Math.max(replicas, Math.min(up, most));
    return down < replicas ? Math.min(replicas, Math.max(down, least)) : replicas;
  }
}
