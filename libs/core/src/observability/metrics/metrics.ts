import {
  counter,
  gauge,
  ratios,
  seconds,
  sigmas,
  LONG_SECONDS_BUCKETS,
  SHORT_SECONDS_BUCKETS,
  withExemplars,
} from './metric-definition.js';

/** What each process says of its own scrapes. */
const SCRAPES = {
  collectorFailures: counter(
    'rerank_fleet_scrape_failures_total',
    'Values that were left out of a scrape because they could not be read in time.',
    ['collector'],
  ),
} as const;

/** What a worker exports. `model` is the name that the worker was configured with. */
export const WORKER_METRICS = {
  ...SCRAPES,
  workerInfo: gauge('rerank_fleet_worker_info', 'Always 1; its labels say what the worker is.', ['pool', 'device']),
  workerReady: gauge('rerank_fleet_worker_ready', '1 while the worker takes tasks; 0 before its warm-up and while it drains.'),
  pairsScored: counter(
    'rerank_fleet_pairs_scored_total',
    'Pairs that went through a cross-encoder; each window of a long passage is one, a score from the cache is none.',
    ['model', 'priority'],
  ),
  textsEmbedded: counter('rerank_fleet_texts_embedded_total', 'Texts that went through the embedder.', ['model', 'priority']),
  batches: counter('rerank_fleet_batches_total', 'Batches that the model ran.', ['model']),
  batchFill: ratios(
    'rerank_fleet_batch_fill_ratio',
    'Padded tokens of a batch ÷ its budget. Small batches on an idle worker are no fault.',
    ['model'],
  ),
  batchTokens: counter('rerank_fleet_batch_tokens_total', 'Tokens that went through the model, without padding.', ['model']),
  batchPaddedTokens: counter(
    'rerank_fleet_batch_padded_tokens_total',
    'Tokens that went through the model, with padding. Waste = 1 − batch_tokens ÷ batch_padded_tokens.',
    ['model'],
  ),
  paddingWaste: gauge('rerank_fleet_padding_waste_ratio', 'Padding ÷ padded tokens since the worker started.', ['model']),
  plannerWait: seconds(
    'rerank_fleet_planner_wait_seconds',
    'From a pair being tokenized to the start of its batch.',
    ['model', 'priority'],
    SHORT_SECONDS_BUCKETS,
  ),
  modelRun: withExemplars(seconds('rerank_fleet_model_run_seconds', 'A batch inside the model.', ['model'])),
  pairsWaiting: gauge('rerank_fleet_planner_pairs_waiting', 'Pairs and texts in the planner, in no batch yet.'),
  exitPairs: counter('rerank_fleet_early_exit_pairs_total', 'Pairs at a cut between layers, by what became of them: left or stayed.', [
    'model',
    'layer',
    'outcome',
  ]),
  layersRun: counter('rerank_fleet_early_exit_layers_run_total', 'Layers run for pairs of requests that let pairs leave early.', ['model']),
  layersPossible: counter('rerank_fleet_early_exit_layers_possible_total', 'Layers that those pairs would have run to the end.', ['model']),
  exitError: sigmas(
    'rerank_fleet_early_exit_prediction_error_sigmas',
    'How far a predicted logit was from the final one, of pairs that ran to the end, in standard deviations of that cut as it was fitted. A mean that grows says that texts are no longer like those of the fit.',
    ['model', 'layer'],
  ),
  exitFull: counter('rerank_fleet_early_exit_full_total', 'Requests that asked for less and ran all layers, by the reason.', [
    'model',
    'reason',
  ]),
  reindexDocuments: counter(
    'rerank_fleet_reindex_documents_total',
    'Documents that reindexes went through: created, updated (a live write had brought them to the new version) or failed.',
    ['outcome'],
  ),
  reindexThrottled: counter(
    'rerank_fleet_reindex_throttled_seconds_total',
    'Time that reindexes paused for their limit of documents a second.',
  ),
  reindexesInHand: gauge('rerank_fleet_reindexes_in_hand', 'Reindexes that this worker works on.'),
  queueWait: seconds('rerank_fleet_queue_wait_seconds', 'From a task being queued to a worker taking it.', ['kind']),
  taskDuration: withExemplars(
    seconds(
      'rerank_fleet_task_duration_seconds',
      'A task in the hand of a worker. `code` is ok or the code of its error.',
      ['kind', 'code'],
      LONG_SECONDS_BUCKETS,
    ),
  ),
  retrieve: seconds('rerank_fleet_retrieve_seconds', 'First-stage retrieval of a search, its query’s embedding included.', ['mode']),
  tokenize: seconds(
    'rerank_fleet_tokenize_seconds',
    'Until the first pairs of a request are tokenized, in each stage; of a long list the others are while the model runs.',
    ['kind'],
    SHORT_SECONDS_BUCKETS,
  ),
  cacheHits: counter('rerank_fleet_score_cache_hits_total', 'Scores found in a tier of the cache.', ['tier']),
  cacheMisses: counter('rerank_fleet_score_cache_misses_total', 'Scores looked for and not found in a tier of the cache.', ['tier']),
  cacheEvictions: counter('rerank_fleet_score_cache_evictions_total', 'Scores that gave way to newer ones. Redis drops its own by age.', [
    'tier',
  ]),
  cacheFailures: counter(
    'rerank_fleet_score_cache_failures_total',
    'Look-ups and writes that Redis did not answer in time; the pairs were scored as if there were no cache.',
  ),
  cacheEntries: gauge('rerank_fleet_score_cache_entries', 'Scores in the memory tier.'),
  engineBudget: gauge('rerank_fleet_engine_batch_budget_tokens', 'Padded tokens that a batch may have.', ['model']),
  engineSegmentBudget: gauge(
    'rerank_fleet_engine_segment_batch_budget_tokens',
    'Padded tokens that a batch of one segment of a model may have; `layers` are those that it runs, counted from 1.',
    ['model', 'layers'],
  ),
  engineSessions: gauge('rerank_fleet_engine_sessions', 'Inference threads, each with a session of the model.', ['model']),
  engineThreads: gauge('rerank_fleet_engine_session_threads', 'Cores that one session uses.', ['model']),
  engineTuned: gauge('rerank_fleet_engine_tuned', '1 if the budget was measured on this hardware, 0 if it was set or is a default.', [
    'model',
  ]),
} as const;

/** What an API process exports. */
export const API_METRICS = {
  ...SCRAPES,
  httpRequests: counter('rerank_fleet_http_requests_total', 'Answered requests; `route` is the pattern, never the path.', [
    'route',
    'method',
    'status',
  ]),
  httpDuration: withExemplars(
    seconds('rerank_fleet_http_request_duration_seconds', 'From the headers of a request to the end of its answer.', ['route', 'method']),
  ),
  errors: counter('rerank_fleet_errors_total', 'Answers that were errors, by the stable code.', ['code']),
  refused: counter('rerank_fleet_admission_refused_total', 'Calls that were turned away before any work, by the bound that they met.', [
    'reason',
  ]),
  bodiesInHand: gauge(
    'rerank_fleet_bodies_in_hand_bytes',
    'JSON bodies in the memory of this process, from their arrival to their answer.',
  ),
  syncOutstanding: gauge('rerank_fleet_sync_tasks_outstanding', 'Tasks that calls to this process wait for.'),
  queueWaiting: gauge('rerank_fleet_queue_tasks_waiting', 'Tasks that no worker has taken; the same from every API process.', ['queue']),
  queueActive: gauge('rerank_fleet_queue_tasks_active', 'Tasks in the hands of workers; the same from every API process.', ['queue']),
  queueAge: gauge('rerank_fleet_queue_next_task_age_seconds', 'How long the task that goes next has waited; 0 where none waits.', [
    'queue',
  ]),
  queuePaused: gauge('rerank_fleet_queue_paused', '1 while an operator has paused the queue.', ['queue']),
  outstandingTokens: gauge(
    'rerank_fleet_outstanding_tokens',
    'Estimated tokens that wait or are in hand: of calls, of the open batch jobs, of uploads; the same from every API process.',
    ['pool', 'kind'],
  ),
  desiredWorkers: gauge(
    'rerank_fleet_desired_workers',
    'Workers that the pool needs, as /v1/scaling says; the same from every API process.',
    ['pool'],
  ),
  liveWorkers: gauge('rerank_fleet_workers_live', 'Workers with a heartbeat; the same from every API process.', ['pool', 'state']),
} as const;
