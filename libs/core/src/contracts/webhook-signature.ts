/**
 * `X-Signature` of a webhook: `t=…,v1=…` with the seconds at which it was sent, and the HMAC-SHA256 of `{t}.{body}` in hexadecimal. By Web
 * Crypto alone, so that receivers can check it wherever they run.
 */

export interface VerifyWebhookOptions {
  /** Longest difference between the signature's time and now, in seconds, so that nobody sends an old webhook again. @defaultValue 300 */
  readonly toleranceS?: number;
  /** Seconds since the epoch. @defaultValue the time of this machine */
  readonly now?: number;
}

/** @returns the value of `X-Signature` */
export async function signWebhook(secret: string, body: string | Uint8Array, epochSeconds: number): Promise<string> {
  const mac = await crypto.subtle.sign('HMAC', await keyOf(secret, 'sign'), signedBytes(epochSeconds, body));
  return `t=${epochSeconds},v1=${[...new Uint8Array(mac)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/**
 * Whether a webhook is ours and recent. The comparison takes the same time wherever the signatures differ.
 *
 * @param body as it was received; parsing and writing it again changes it
 * @param header the value of `X-Signature`
 */
export async function verifyWebhook(
  secret: string,
  body: string | Uint8Array,
  header: string,
  { toleranceS = 300, now = Date.now() / 1_000 }: VerifyWebhookOptions = {},
): Promise<boolean> {
  const [, time, hex] = /^t=(\d{1,15}),v1=([0-9a-f]{64})$/.exec(header) ?? [];
  if (time === undefined || hex === undefined || Math.abs(now - Number(time)) > toleranceS) return false;
  const mac = Uint8Array.from({ length: 32 }, (_, index) => Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16));
  return crypto.subtle.verify('HMAC', await keyOf(secret, 'verify'), mac, signedBytes(time, body));
}

function keyOf(secret: string, use: 'sign' | 'verify'): ReturnType<typeof crypto.subtle.importKey> {
  return crypto.subtle.importKey('raw', new TextEncoder().encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, [use]);
}

/** `time` as it was written: a leading zero is part of what was signed. */
function signedBytes(time: number | string, body: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const [head, tail] = [new TextEncoder().encode(`${time}.`), typeof body === 'string' ? new TextEncoder().encode(body) : body];
  const bytes = new Uint8Array(head.byteLength + tail.byteLength);
  bytes.set(head);
  bytes.set(tail, head.byteLength);
  return bytes;
}
