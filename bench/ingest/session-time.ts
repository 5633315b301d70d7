/** Milliseconds that the worker's sessions have run a model, all sessions together. */
export async function sessionMs(opsPort: number, model: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${opsPort + 1}/metrics`);
  const text = await response.text();
  const line = text.split('\n').find((it) => it.startsWith('rerank_fleet_model_run_seconds_sum{') && it.includes(`model="${model}"`));
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1)) * 1_000;
}
