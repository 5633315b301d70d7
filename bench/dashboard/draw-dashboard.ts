import { drawPanel, text, type Span } from './draw-panel.ts';
import type { FilledPanel } from './provisioned-dashboard.ts';

export interface DashboardPicture {
  readonly title: string;
  /** What the values are of and who drew them. */
  readonly says: readonly string[];
  readonly panels: readonly FilledPanel[];
  readonly span: Span;
}

const WIDTH = 1_600;
const MARGIN = 20;
const GAP = 8;
const COLUMNS = 24;
const COLUMN = (WIDTH - 2 * MARGIN) / COLUMNS;
/** A row of the dashboard's grid, in pixels. */
const GRID_ROW = 33;
const SAYS_LINE = 20;
const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

/** The panels in the dashboard's own grid; an SVG document of its own. */
export function drawDashboard({ title, says, panels, span }: DashboardPicture): string {
  const top = 52 + says.length * SAYS_LINE;
  const height = top + Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)) * GRID_ROW + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="${FONT}" fill="#1f2329">`,
    `<rect width="${WIDTH}" height="${height}" fill="#f4f5f7"/>`,
    text(MARGIN + GAP / 2, 40, title, 'font-size="22" font-weight="600"'),
    ...says.map((line, at) => text(MARGIN + GAP / 2, 64 + at * SAYS_LINE, line, 'font-size="13" fill="#5b616b"')),
    ...panels.map((panel) => {
      const { x, y, w, h } = panel.gridPos;
      const box = { x: MARGIN + x * COLUMN + GAP / 2, y: top + y * GRID_ROW, width: w * COLUMN - GAP, height: h * GRID_ROW - GAP };
      return panel.type === 'row'
        ? text(box.x, box.y + GRID_ROW * 0.62, panel.title, 'font-size="15" font-weight="600" fill="#3b4048"')
        : drawPanel(panel, box, span);
    }),
    '</svg>\n',
  ].join('\n');
}
