import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signWebhook, verifyWebhook } from './webhook-signature.js';

const SECRET = 'whsec_0123456789abcdef';
const BODY = '{"id":"job_1","note":"größer"}';
const AT = 1_795_000_000;

describe('signWebhook', () => {
  it('is the HMAC-SHA256 of time, dot and body', async () => {
    const mac = createHmac('sha256', SECRET).update(`${AT}.${BODY}`).digest('hex');
    expect(await signWebhook(SECRET, BODY, AT)).toBe(`t=${AT},v1=${mac}`);
  });

  it('signs bytes as it signs the text that they are', async () => {
    expect(await signWebhook(SECRET, Buffer.from(BODY), AT)).toBe(await signWebhook(SECRET, BODY, AT));
  });
});

describe('verifyWebhook', () => {
  it('takes what was signed, whatever secret and body', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1, unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), async (secret, body) => {
        const header = await signWebhook(secret, body, AT);
        expect(await verifyWebhook(secret, body, header, { now: AT })).toBe(true);
        expect(await verifyWebhook(secret, Buffer.from(body), header, { now: AT })).toBe(true);
        expect(await verifyWebhook(`${secret}x`, body, header, { now: AT })).toBe(false);
        expect(await verifyWebhook(secret, `${body} `, header, { now: AT })).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it('refuses another time than the one that was signed', async () => {
    const header = await signWebhook(SECRET, BODY, AT);
    expect(await verifyWebhook(SECRET, BODY, header.replace(`t=${AT}`, `t=${AT + 1}`), { now: AT })).toBe(false);
  });

  it('refuses what is older or newer than the tolerance', async () => {
    const header = await signWebhook(SECRET, BODY, AT);
    const verdicts = [-301, -300, 300, 301].map((offset) => verifyWebhook(SECRET, BODY, header, { now: AT + offset }));
    expect(await Promise.all(verdicts)).toEqual([false, true, true, false]);
    expect(await verifyWebhook(SECRET, BODY, header, { now: AT + 61, toleranceS: 60 })).toBe(false);
  });

  it('goes by the clock where no time is given', async () => {
    expect(await verifyWebhook(SECRET, BODY, await signWebhook(SECRET, BODY, Math.floor(Date.now() / 1_000)))).toBe(true);
    expect(await verifyWebhook(SECRET, BODY, await signWebhook(SECRET, BODY, 1))).toBe(false);
  });

  it.each([
    '',
    't=1',
    'v1=00',
    `t=${AT},v1=zz`,
    `t=${AT},v1=${'0'.repeat(64)}`,
    `t=x,v1=${'0'.repeat(64)}`,
    `t=${AT},v1=${'0'.repeat(63)}`,
  ])('refuses the header %j', async (header) => {
    expect(await verifyWebhook(SECRET, BODY, header, { now: AT })).toBe(false);
  });
});
