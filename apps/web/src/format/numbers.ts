const NONE = '–';

/** `12,345`; a dash where there is none. */
export function whole(value: number | undefined): string {
  return value === undefined ? NONE : Math.round(value).toLocaleString('en');
}

export function decimal(value: number | undefined, digits: number): string {
  return value === undefined ? NONE : value.toFixed(digits);
}

export function percent(share: number | undefined): string {
  return share === undefined ? NONE : `${(share * 100).toFixed(share !== 0 && Math.abs(share) < 0.1 ? 1 : 0)} %`;
}

/** `1.5 MB`, in thousands. */
export function bytes(count: number | undefined): string {
  if (count === undefined) return NONE;
  const unit = ['B', 'kB', 'MB', 'GB', 'TB'] as const;
  const step = count < 1_000 ? 0 : Math.min(unit.length - 1, Math.floor(Math.log10(count) / 3));
  const scaled = count / 1_000 ** step;
  return `${step === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${unit[step]!}`;
}

/** A relevance score: three decimals, and never rounded to the 1 or 0 that a sigmoid does not reach. */
export function score(value: number | undefined): string {
  if (value === undefined) return NONE;
  if (value > 0.9995 && value < 1) return '>.999';
  if (value < 0.0005 && value > 0) return '<.001';
  return value.toFixed(3);
}
