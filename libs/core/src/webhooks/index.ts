export { signWebhook, verifyWebhook, type VerifyWebhookOptions } from '../contracts/index.js';
export { parseCidr } from './ip-address.js';
export { byNameServers, bySystem, type ResolveHost } from './resolve-host.js';
export { assertDelivered, WEBHOOK_BACKOFF, WEBHOOK_RETRIES, type WebhookOutcome } from './webhook-outcome.js';
export * from './webhook-sender.js';
export { addressKind, type AddressKind, type WebhookTargets } from './webhook-targets.js';
export { assertWebhookUrl } from './webhook-url.js';
