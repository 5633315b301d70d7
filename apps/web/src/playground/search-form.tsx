import type { CorpusBody, ModelBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { CheckField, Choice, TextArea, TextField } from '../ui/field.js';
import type { SearchValues } from './form-values.js';
import { QueryField } from './query-field.js';
import { ScoringFields } from './scoring-fields.js';

export interface SearchFormProps {
  readonly values: SearchValues;
  readonly models: readonly ModelBody[];
  /** Those that the key may list; others can be typed. */
  readonly corpora: readonly CorpusBody[];
  readonly onChange: (change: Partial<SearchValues>) => void;
  readonly onSubmit: () => void;
}

export function SearchForm({ values, models, corpora, onChange, onSubmit }: SearchFormProps): JSX.Element {
  const fields = Object.keys(corpora.find(({ name }) => name === values.corpus)?.settings.fields ?? {});
  const hint = fields.length === 0 ? 'JSON, over metadata' : `JSON, over ${fields.join(', ')}`;
  return (
    <>
      <TextField
        label="Corpus"
        value={values.corpus}
        list={corpora.map(({ name }) => name)}
        placeholder="Its name"
        onInput={(corpus) => onChange({ corpus })}
      />
      <QueryField query={values.query} onChange={onChange} onSubmit={onSubmit} />
      <TextArea
        label="Filter"
        hint={hint}
        rows={2}
        code
        value={values.filter}
        placeholder='{"must": [{"key": "lang", "match": {"value": "en"}}]}'
        onInput={(filter) => onChange({ filter })}
        onSubmit={onSubmit}
      />
      <div class="grid">
        <TextField label="top_k" type="number" min={1} value={values.topK} placeholder="50" onInput={(topK) => onChange({ topK })} />
        <TextField label="top_n" type="number" min={1} value={values.topN} placeholder="10" onInput={(topN) => onChange({ topN })} />
        <Choice
          label="mode"
          value={values.mode}
          options={[
            ['hybrid', 'hybrid: both'],
            ['dense', 'dense: embeddings'],
            ['sparse', 'sparse: BM25'],
          ]}
          onChange={(mode) => onChange({ mode })}
        />
        <Choice
          label="group_by"
          value={values.groupBy}
          options={[
            ['document', 'document: its best'],
            ['none', 'none: all of them'],
          ]}
          onChange={(groupBy) => onChange({ groupBy })}
        />
        <ScoringFields values={values} models={models} onChange={onChange} />
        <div class="checks">
          <CheckField label="rerank" checked={values.rerank} onChange={(rerank) => onChange({ rerank })} />
        </div>
      </div>
    </>
  );
}
