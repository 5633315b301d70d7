// One delivery to the URL that is given; prints its outcome. A process of its own, for what only an environment can set.
import { WebhookSender } from '@rerank-fleet/core/webhooks';

const sender = new WebhookSender({ targets: { allowPrivate: true }, timeoutMs: 10_000, version: '0.0.0' });
console.log(JSON.stringify(await sender.deliver({ url: process.argv[2], body: '{}', id: 'job_1' })));
