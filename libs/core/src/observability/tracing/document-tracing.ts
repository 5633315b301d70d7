/** The sections of `docs/observability.md` on traces and logs, not yet formatted. */
export const TRACING_SECTIONS = `## Traces

Traces go to any receiver of OpenTelemetry's OTLP over HTTP. They are off until one is named, by the variables that the OpenTelemetry specification names:

\`\`\`sh
OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318   # Jaeger, Tempo, or a collector; its HTTP port, not 4317
OTEL_TRACES_SAMPLER=parentbased_traceidratio        # record a share of the traces that nobody decided over before
OTEL_TRACES_SAMPLER_ARG=0.05
OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20… # where the receiver wants a key
\`\`\`

Give them to the API and to the workers alike; \`rerank up\` passes them on. To look at traces on one machine:

\`\`\`sh
docker run --rm -p 16686:16686 -p 4318:4318 jaegertracing/all-in-one
OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 rerank up      # then http://127.0.0.1:16686
\`\`\`

Tempo takes the same line with its own address (\`http://tempo:4318\`, with the \`otlp\` receiver's \`http\` protocol on). \`OTEL_RESOURCE_ATTRIBUTES\`
(\`deployment.environment.name=staging,…\`) is read by the SDK, as its specification has it; the other variables are those of [configuration.md](configuration.md). Spans are sent as OTLP JSON.

A client that sends \`traceparent\` (W3C Trace Context) finds the request in its own trace, and its decision to record or not holds. A first stage elsewhere gets a
\`traceparent\` of this trace. \`tracestate\` and baggage are not passed on.

### The spans of a request

\`\`\`
POST /v1/search                            the API, from the headers to the end of the answer
├─ admit                                   the tenant's budget
├─ enqueue                                 into Redis
│  ├─ queue wait                           from there to a worker
│  └─ process task                         the worker
│     ├─ retrieve
│     │  ├─ embed query                    with tokenize, planner wait and batch below it, as in score
│     │  └─ query candidate store          or query first stage
│     ├─ score                             one a stage: its model, pairs, tokens, effort and why all layers ran
│     │  ├─ tokenize                       its call of a text thread; text thread is the work itself, the rest was waiting
│     │  │  └─ text thread
│     │  ├─ planner wait                   of the pair that waited longest for the batch
│     │  └─ batch                          the request's share in it and the whole; linked to the other requests in it
│     │     └─ inference thread            inside the model
│     ├─ rank
│     └─ publish                           the result, into Redis
└─ await result
\`\`\`

A span that failed has the code of the error (\`error.type\`), also \`deadline_exceeded\`, \`cancelled\` (the client left) and \`given_back\` (the worker stopped). Errors of the client do not mark the span of
the API as failed. Pairs that left early and look-ups of the score cache are events of \`score\`.

### Work that nobody waits for

| span | its trace | below it |
| --- | --- | --- |
| \`process slice\` | its own, linked to the submission of the job | \`queue wait\`, \`row\` for the first 16 rows with the steps above, \`write results\`, \`commit\` |
| \`webhook\` | its own, linked to the submission; one an attempt | – |
| \`process task\` of an upload | its own, linked to the upload | \`write documents\`, \`tokenize\`, \`embed passages\`, \`write passages\` |
| \`reindex page\` | its own | \`tokenize\`, \`embed passages\` |

A linked trace is recorded if what it is linked to was, whatever the sampler. Slices that the sweep queues anew, after Redis lost them, are linked where their job is a batch.

### What they hold, and cost

Spans hold numbers, flags, and names: of models, corpora, tenants, pools, jobs, requests. Never a query, a document, or a part of one; the type of a span's attributes has no place
for it. Off, nothing of the SDK is loaded. On, a span is a small object. A step has at most 32 spans of batches. A process keeps at most some 4,600 spans for a
receiver that is away and drops the rest; answers do not wait for it, and the log says so once a minute. Stopping waits for it 1.5 s at most.

### From a metric to a trace

Scrapers that accept OpenMetrics get, in the buckets of \`http_request_duration\`, \`task_duration\` and \`model_run\`, the id of a trace that fell into each (an exemplar). Prometheus
wants \`--enable-feature=exemplar-storage\`.

## Logs

JSON lines on stdout. Each line of a request's work has its \`request_id\`, in a worker also its \`task_id\`, \`job\` and \`row\` where there are such, and \`trace_id\` where a client sent a \`traceparent\` or
traces are on. One line a request says its route, status and time; \`client_gone\` says that the client left, without a status if nothing had been sent. Queries and
documents are in no line, at no level.
`;
