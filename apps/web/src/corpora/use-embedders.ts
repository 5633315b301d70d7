import { useService } from '../app/service.js';
import { useCall } from '../app/use-call.js';

/** Names of the embedders that workers hold, as options of a choice. */
export function useEmbedders(otherwise: string): readonly (readonly [string, string])[] {
  const { client } = useService();
  const { value = [] } = useCall((signal) => client.listModels({ signal }), []);
  const names = new Set(value.filter(({ kind }) => kind === 'embedder').map(({ id }) => id));
  return [['', otherwise], ...[...names].map((name) => [name, name] as const)];
}
