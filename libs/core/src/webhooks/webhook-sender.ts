import { isIP } from 'node:net';
import { signWebhook } from '../contracts/index.js';
import { postOnce, type WebhookAnswer } from './post-once.js';
import { byNameServers, bySystem, type ResolveHost } from './resolve-host.js';
import { outcomeOfAnswer, outcomeOfFault, type WebhookOutcome } from './webhook-outcome.js';
import { mayReach, reachesInside, type WebhookTargets } from './webhook-targets.js';
import { faultOfWebhookUrl, hostOf } from './webhook-url.js';

export interface WebhookSenderOptions {
  readonly targets: WebhookTargets;
  /** Longest delivery, from the name server to the head of the last answer. Milliseconds. */
  readonly timeoutMs: number;
  /** Of rerank-fleet, for `User-Agent`. */
  readonly version: string;
  /** Default: name servers alone, and the hosts file too where addresses inside are allowed. */
  readonly resolve?: ResolveHost;
}

export interface WebhookDelivery {
  readonly url: string;
  /** Without one there is no `X-Signature`. */
  readonly secret?: string | undefined;
  /** JSON, sent as it is. */
  readonly body: string;
  /** The same for every attempt, so that a receiver can drop what it has seen. */
  readonly id: string;
  /** Ends the delivery; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const MOST_REDIRECTS = 3;
/** Sent again as they are: as a GET without the body, which others make of 301 and 302, a webhook says nothing. */
const REDIRECTS = new Set([301, 302, 307, 308]);

/**
 * Sends webhooks to addresses that strangers chose. Each name is resolved once for each hop, all its addresses are checked, and only those are
 * connected to: a name server that changes its answer afterwards is not asked. Proxies of the environment are not used.
 *
 * Redirects stay with the host that was registered: to another path, or from http to https. Anything else would hand the signed body to whoever
 * an open redirect names.
 */
export class WebhookSender {
  readonly #options: WebhookSenderOptions;
  readonly #resolve: ResolveHost;

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
    this.#resolve = options.resolve ?? (reachesInside(options.targets) ? bySystem : byNameServers());
  }

  /** One attempt. Resolves to its outcome whatever the receiver does. */
  async deliver(delivery: WebhookDelivery): Promise<WebhookOutcome> {
    const deadline = AbortSignal.timeout(this.#options.timeoutMs);
    const signal = delivery.signal === undefined ? deadline : AbortSignal.any([deadline, delivery.signal]);
    try {
      return await this.#follow(delivery, signal);
    } catch (error) {
      delivery.signal?.throwIfAborted();
      if (error instanceof Refusal) return { kind: 'refused', reason: error.message };
      if (deadline.aborted) return { kind: 'retry', reason: `gave no answer within ${this.#options.timeoutMs / 1_000} s` };
      return outcomeOfFault(error);
    }
  }

  async #follow(delivery: WebhookDelivery, signal: AbortSignal): Promise<WebhookOutcome> {
    signal.throwIfAborted();
    const headers = await this.#headers(delivery);
    const body = Buffer.from(delivery.body, 'utf8');
    let url = this.#parse(delivery.url);
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
      const addresses = await this.#addressesOf(url, signal);
      const answer = await postOnce({ url, addresses, headers, body, signal });
      if (!REDIRECTS.has(answer.status)) return outcomeOfAnswer(answer, Date.now());
      url = this.#redirected(url, answer);
    }
    throw new Refusal(`was redirected more than ${MOST_REDIRECTS} times`);
  }

  async #headers({ secret, body, id }: WebhookDelivery): Promise<Record<string, string>> {
    return {
      'Content-Type': 'application/json',
      'User-Agent': `rerank-fleet/${this.#options.version}`,
      'X-Webhook-Id': id,
      ...(secret === undefined ? {} : { 'X-Signature': await signWebhook(secret, body, Math.floor(Date.now() / 1_000)) }),
    };
  }

  #parse(text: string): URL {
    const url = URL.parse(text);
    const fault = faultOfWebhookUrl(url, this.#options.targets);
    if (url === null || fault !== undefined) throw new Refusal(`has a URL that is not allowed: it ${fault ?? 'is not valid'}`);
    return url;
  }

  async #addressesOf(url: URL, signal: AbortSignal): Promise<readonly string[]> {
    const host = hostOf(url);
    const addresses = isIP(host) === 0 ? await orAbort(this.#resolve(host, signal), signal) : [host];
    // One that is not allowed spoils all: a name that mixes them means to be tried until the wrong one is taken.
    if (!addresses.every((address) => mayReach(address, this.#options.targets))) throw new Refusal('resolves to a private address');
    return addresses;
  }

  #redirected(from: URL, { status, location }: WebhookAnswer): URL {
    const to = location === undefined ? null : URL.parse(location, from.href);
    if (to === null) throw new Refusal(`answered ${status} without a place to go to`);
    if (from.protocol === 'https:' && to.protocol !== 'https:') throw new Refusal('was redirected from https to less');
    const sameHost = to.hostname === from.hostname && (to.protocol !== from.protocol || to.port === from.port);
    if (!sameHost) throw new Refusal('was redirected to another host or port; register that URL itself');
    if (faultOfWebhookUrl(to, this.#options.targets) !== undefined) throw new Refusal('was redirected to a URL that is not allowed');
    return to;
  }
}

/** Ends a delivery for good; the message continues "The webhook …". */
class Refusal extends Error {
  override readonly name = 'Refusal';
}

/** The system's resolver cannot be interrupted; its answer is left to itself. */
async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
