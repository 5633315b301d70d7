/**
 * What the pages may do. They load from their own host alone, run no script but their own files, and are framed by nobody; text becomes HTML nowhere
 * (Trusted Types, where a browser knows them).
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

export const WEB_HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/** The name of a file under `assets/` has a hash of its contents, so it never changes. */
export const IMMUTABLE = 'public, max-age=31536000, immutable';
/** Asked for anew each time; by its tag, so that nothing is sent where nothing changed. */
export const REVALIDATED = 'no-cache';
