import { RerankApiError, type RerankClient } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { linkTo } from '../app/route.js';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { Choice, TextField } from '../ui/field.js';
import { Form } from '../ui/form.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { ChunkingFields } from './chunking-fields.js';
import { chunkingOf, NO_CHUNKING, parseFields } from './corpus-settings.js';
import { useEmbedders } from './use-embedders.js';

export function CreateCorpus(): JSX.Element {
  const { client } = useService();
  const embedders = useEmbedders('the default');
  const [name, setName] = useState('');
  const [fields, setFields] = useState('');
  const [embedder, setEmbedder] = useState('');
  const [chunking, setChunking] = useState(NO_CHUNKING);
  const creating = useAction(async (signal) => {
    const cut = chunkingOf(chunking);
    const settings = {
      ...(embedder === '' ? {} : { embedding_model: embedder }),
      ...(cut === undefined ? {} : { chunking: cut }),
      ...(fields.trim() === '' ? {} : { fields: parseFields(fields) }),
    };
    if (await exists(client, name.trim(), signal)) throw new Error(`There is a corpus "${name.trim()}" already.`);
    const corpus = await client.putCorpus(name.trim(), settings, { signal });
    location.hash = linkTo(['corpora', corpus.name]);
  });
  return (
    <details class="card">
      <summary>Make a corpus</summary>
      <Form onSubmit={creating.run}>
        <div class="grid">
          <TextField label="name" value={name} placeholder="such as manuals" required onInput={setName} />
          <TextField label="filterable fields" value={fields} placeholder="lang, year: integer" onInput={setFields} />
          <Choice label="embedding_model" value={embedder} options={embedders} onChange={setEmbedder} />
          <ChunkingFields
            values={chunking}
            otherwise="the default"
            onChange={(change) => setChunking((before) => ({ ...before, ...change }))}
          />
        </div>
        <div class="row">
          <button type="submit" class="primary" disabled={creating.busy || name.trim() === ''}>
            {creating.busy ? 'Making it …' : 'Make it'}
          </button>
        </div>
        <ProblemNotice error={creating.error} />
      </Form>
    </details>
  );
}

/** The same call would change the settings of one that is there. */
async function exists(client: RerankClient, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.getCorpus(name, { signal });
    return true;
  } catch (error) {
    if (error instanceof RerankApiError && error.code === 'corpus_not_found') return false;
    throw error;
  }
}
