// Health of the API container: ready, as it says itself.
const response = await fetch(`http://127.0.0.1:${process.env.PORT ?? '8080'}/health/ready`, { signal: AbortSignal.timeout(4_000) });
if (!response.ok) throw new Error(`The API answers ${response.status}.`);
