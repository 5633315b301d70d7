import { Random } from './random.ts';

export const ROLES = ['api', 'worker-1', 'worker-2'] as const;
export type Role = (typeof ROLES)[number];
const WORKERS = ['worker-1', 'worker-2'] as const;

/** Where a run's corpora are. */
export type StoreKind = 'embedded' | 'qdrant';

export const storeOf = (seed: number): StoreKind => (seed % 4 === 0 ? 'qdrant' : 'embedded');

interface Timed {
  /** Milliseconds from the start of the faults. */
  readonly atMs: number;
}
interface Lasting extends Timed {
  readonly durationMs: number;
}

/** One fault and all that was drawn for it. */
export type Fault =
  | (Timed & { readonly kind: 'kill-worker' | 'crash-thread'; readonly role: (typeof WORKERS)[number] })
  | (Timed & { readonly kind: 'kill-api' | 'kill-supervisor' | 'kill-redis' })
  | (Lasting & { readonly kind: 'pause-redis' | 'lock-database' })
  | (Lasting & { readonly kind: 'cut' | 'blackhole' | 'half-open'; readonly role: Role })
  | (Lasting & { readonly kind: 'slow'; readonly role: Role; readonly latencyMs: number })
  | (Lasting & { readonly kind: 'clock-jump'; readonly role: Role; readonly byMs: number })
  | (Lasting & { readonly kind: 'qdrant-away'; readonly how: (typeof WAYS_TO_GO)[number] })
  | (Lasting & { readonly kind: 'qdrant-slow'; readonly latencyMs: number });

export type FaultKind = Fault['kind'];

const WAYS_TO_GO = ['cut', 'blackhole', 'half-open', 'late'] as const;

/** How often each is drawn, against the others. */
const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  'kill-worker': 5,
  'kill-api': 3,
  'kill-supervisor': 1,
  'kill-redis': 2,
  'crash-thread': 3,
  'pause-redis': 2,
  'lock-database': 2,
  cut: 3,
  blackhole: 3,
  'half-open': 2,
  slow: 2,
  'clock-jump': 2,
  'qdrant-away': 5,
  'qdrant-slow': 2,
};
export const FAULT_KINDS = Object.keys(WEIGHTS) as readonly FaultKind[];

const OF_QDRANT: readonly FaultKind[] = ['qdrant-away', 'qdrant-slow'];
const KINDS_OF: Readonly<Record<StoreKind, readonly FaultKind[]>> = {
  embedded: FAULT_KINDS.filter((kind) => !OF_QDRANT.includes(kind)),
  qdrant: FAULT_KINDS.filter((kind) => kind !== 'lock-database'),
};

export interface RunSize {
  readonly name: 'short' | 'long';
  /** Faults begin within this time. */
  readonly windowMs: number;
  readonly fewestFaults: number;
  readonly mostFaults: number;
  /** Longest time of a fault that lasts. */
  readonly longestMs: number;
  /** Most requests of a batch job. */
  readonly rows: number;
  /** Documents of the largest upload. */
  readonly documents: number;
  /** Most uploads and deletions. An upload whose worker is killed takes three quarters of a minute to come back: few keep short runs short. */
  readonly writes: number;
  /** How many of the runs reindex the corpus that they write to. */
  readonly reindexShare: number;
}

export const SIZES: Readonly<Record<RunSize['name'], RunSize>> = {
  short: {
    name: 'short',
    windowMs: 1_500,
    fewestFaults: 1,
    mostFaults: 3,
    longestMs: 1_000,
    rows: 80,
    documents: 8,
    writes: 4,
    reindexShare: 0.25,
  },
  long: {
    name: 'long',
    windowMs: 5_000,
    fewestFaults: 3,
    mostFaults: 7,
    longestMs: 3_500,
    rows: 300,
    documents: 120,
    writes: 1_000,
    reindexShare: 0.5,
  },
};

function drawKind(random: Random, kinds: readonly FaultKind[]): FaultKind {
  let left = random.next() * kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0);
  for (const kind of kinds) {
    left -= WEIGHTS[kind];
    if (left < 0) return kind;
  }
  return kinds[0]!;
}

function drawFault(random: Random, { windowMs, longestMs }: RunSize, kinds: readonly FaultKind[]): Fault {
  const kind = drawKind(random, kinds);
  const atMs = random.whole(100, windowMs);
  const durationMs = random.whole(100, longestMs);
  switch (kind) {
    case 'kill-worker':
    case 'crash-thread':
      return { kind, atMs, role: random.pick(WORKERS) };
    case 'kill-api':
    case 'kill-supervisor':
    case 'kill-redis':
      return { kind, atMs };
    case 'pause-redis':
    case 'lock-database':
      return { kind, atMs, durationMs };
    case 'cut':
    case 'blackhole':
    case 'half-open':
      return { kind, atMs, durationMs, role: random.pick(ROLES) };
    case 'slow':
      return { kind, atMs, durationMs, role: random.pick(ROLES), latencyMs: random.whole(5, 150) };
    case 'clock-jump': {
      const byMs = random.pick([-1, 1]) * random.pick([1_000, 10_000, 60_000, 3_600_000]);
      return { kind, atMs, durationMs, role: random.pick(ROLES), byMs };
    }
    case 'qdrant-away':
      return { kind, atMs, durationMs, how: random.pick(WAYS_TO_GO) };
    case 'qdrant-slow':
      return { kind, atMs, durationMs, latencyMs: random.whole(5, 150) };
  }
}

/** The faults of a run, in order of time. The same seed and size draw the same. In each run on Qdrant it goes away at least once, or is slow. */
export function drawFaults(seed: number, size: RunSize): readonly Fault[] {
  const random = new Random(seed);
  const count = random.whole(size.fewestFaults, size.mostFaults);
  const store = storeOf(seed);
  const kinds = (number: number): readonly FaultKind[] => (store === 'qdrant' && number === 0 ? OF_QDRANT : KINDS_OF[store]);
  return Array.from({ length: count }, (_, number) => drawFault(random, size, kinds(number))).toSorted((a, b) => a.atMs - b.atMs);
}

/** When the last of them is over. */
export function endOf(faults: readonly Fault[]): number {
  return Math.max(0, ...faults.map((fault) => fault.atMs + ('durationMs' in fault ? fault.durationMs : 0)));
}

export function describeFault(fault: Fault): string {
  const role = 'role' in fault ? ` ${fault.role}` : '';
  const lasts = 'durationMs' in fault ? ` for ${fault.durationMs} ms` : '';
  const latency = fault.kind === 'slow' || fault.kind === 'qdrant-slow' ? `, ${fault.latencyMs} ms a packet` : '';
  const jump = fault.kind === 'clock-jump' ? ` by ${fault.byMs} ms` : '';
  const how = fault.kind === 'qdrant-away' ? ` (${fault.how})` : '';
  return `+${fault.atMs} ms ${fault.kind}${how}${role}${jump}${lasts}${latency}`;
}
