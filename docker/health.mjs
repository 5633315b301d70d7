// Health of the container of an API or a worker: ready, as it says itself on its port for operations.
const response = await fetch(`http://127.0.0.1:${process.env.OPS_PORT ?? '9464'}/health/ready`, { signal: AbortSignal.timeout(4_000) });
if (!response.ok) throw new Error(`It answers ${response.status}.`);
