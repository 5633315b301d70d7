import { cutToWidth, displayWidth, oneLine } from './display-width.js';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Takes what is left of the line, and is cut to it; such columns share it evenly. */
  readonly stretch?: boolean;
  /** Cells are cut to this many columns of the terminal. */
  readonly maxWidth?: number;
}

/** A text, or a text with the colour it gets after it was measured and cut. */
export type Cell = string | { readonly text: string; readonly paint: (text: string) => string };

const GAP = '  ';
const MIN_STRETCH_WIDTH = 12;

/** Lines of a table without borders. Cells become one line, are cut and aligned by the columns they fill. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly Cell[])[], totalWidth: number): string {
  const texts = rows.map((row) => columns.map((_, at) => oneLine(textOf(row[at] ?? ''))));
  const widths = columnWidths(columns, texts, totalWidth);
  const line = (cells: readonly string[], paint: (cell: string, at: number) => string) =>
    cells
      .map((cell, at) => paint(fit(cell, widths[at] ?? 0, columns[at]?.align), at))
      .join(GAP)
      .trimEnd();
  const body = texts.map((cells, row) => line(cells, (cell, at) => paintOf(rows[row]?.[at])(cell)));
  const titles = columns.map(({ title }) => title);
  return [line(titles, (title) => title), ...body].join('\n');
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

function paintOf(cell: Cell | undefined): (text: string) => string {
  return cell === undefined || typeof cell === 'string' ? (text) => text : cell.paint;
}

function fit(text: string, width: number, align: Column['align']): string {
  const cut = cutToWidth(text, width);
  const padding = ' '.repeat(Math.max(0, width - displayWidth(cut)));
  return align === 'right' ? padding + cut : cut + padding;
}

function columnWidths(columns: readonly Column[], rows: readonly (readonly string[])[], totalWidth: number): number[] {
  const wanted = columns.map(({ title, maxWidth = Infinity }, at) => {
    const widest = rows.reduce((width, row) => Math.max(width, displayWidth(row[at] ?? '')), displayWidth(title));
    return Math.min(widest, maxWidth);
  });
  const stretched = columns.flatMap(({ stretch }, at) => (stretch === true ? [at] : []));
  const fixed = wanted.reduce((sum, width, at) => sum + (stretched.includes(at) ? 0 : width), GAP.length * (columns.length - 1));
  return share(wanted, stretched, totalWidth - fixed);
}

/** The narrowest first: what it does not need goes to the others. */
function share(wanted: readonly number[], stretched: readonly number[], available: number): number[] {
  const widths = [...wanted];
  let left = available;
  const order = [...stretched].sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  order.forEach((at, done) => {
    const part = Math.max(MIN_STRETCH_WIDTH, Math.floor(left / (order.length - done)));
    widths[at] = Math.min(wanted[at] ?? 0, part);
    left -= widths[at];
  });
  return widths;
}
