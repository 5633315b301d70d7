export interface Asked {
  readonly kind: 'rerank' | 'search';
  /** Of the API, without a slash at its end. */
  readonly url: string;
  readonly hasKey: boolean;
  readonly body: unknown;
}

/** The same request for a shell. The key stays in the environment: what is copied ends up in chats and histories. */
export function curlOf({ kind, url, hasKey, body }: Asked): string {
  const lines = [
    `curl -sS '${url}/v1/${kind}'`,
    ...(hasKey ? [`-H "authorization: Bearer $RERANK_API_KEY"`] : []),
    `-H 'content-type: application/json'`,
    `-d '${JSON.stringify(body, undefined, 2).replaceAll("'", String.raw`'\''`)}'`,
  ];
  return lines.join(' \\\n  ');
}

/** The same request by the typed client. */
export function clientCodeOf({ kind, url, hasKey, body }: Asked): string {
  const key = hasKey ? ', apiKey: process.env.RERANK_API_KEY' : '';
  return [
    `import { RerankClient } from '@rerank-fleet/client';`,
    '',
    `const client = new RerankClient({ baseUrl: '${url}'${key} });`,
    `const answer = await client.${kind}(${JSON.stringify(body, undefined, 2)});`,
    kind === 'rerank'
      ? 'for (const { index, relevance_score } of answer.results) console.log(index, relevance_score);'
      : 'for (const { document_id, relevance_score } of answer.results) console.log(document_id, relevance_score);',
  ].join('\n');
}

/** The same request in Python's standard library. */
export function pythonOf({ kind, url, hasKey, body }: Asked): string {
  const headers = ['"content-type": "application/json"', ...(hasKey ? [`"authorization": "Bearer " + os.environ["RERANK_API_KEY"]`] : [])];
  return [
    `import json${hasKey ? ', os' : ''}, urllib.request`,
    '',
    `body = json.loads(r'''${JSON.stringify(body, undefined, 2).replaceAll("'''", String.raw`\u0027\u0027\u0027`)}''')`,
    `request = urllib.request.Request("${url}/v1/${kind}", json.dumps(body).encode(), {${headers.join(', ')}})`,
    'for result in json.load(urllib.request.urlopen(request))["results"]:',
    kind === 'rerank'
      ? '    print(result["index"], result["relevance_score"])'
      : '    print(result["document_id"], result.get("relevance_score"))',
  ].join('\n');
}
