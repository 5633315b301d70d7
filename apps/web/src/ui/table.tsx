import type { ComponentChildren, JSX } from 'preact';

export interface NumberColumn {
  readonly title: string;
  /** What is counted, for who points at the title. */
  readonly hint?: string | undefined;
}

/** A column whose cells have the class `number`, too. */
export const numeric = (title: string, hint?: string): NumberColumn => ({ title, hint });

export interface TableProps {
  /** Read out alone; for a table without a heading. */
  readonly caption?: string;
  /** A bare title is of a column of text. */
  readonly columns: readonly (string | NumberColumn)[];
  /** The rows end with a cell of buttons. */
  readonly actions?: boolean;
  /** Rows. */
  readonly children: ComponentChildren;
}

/** A table that scrolls by itself where the window is too narrow for it. */
export function Table({ caption, columns, actions = false, children }: TableProps): JSX.Element {
  return (
    <div class="scroll">
      <table>
        {caption !== undefined && <caption class="unseen">{caption}</caption>}
        <thead>
          <tr>
            {columns.map((column) =>
              typeof column === 'string' ? <TextTitle key={column} title={column} /> : <NumberTitle key={column.title} {...column} />,
            )}
            {actions && (
              <th scope="col">
                <span class="unseen">Actions</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

function TextTitle({ title }: { title: string }): JSX.Element {
  return <th scope="col">{title}</th>;
}

function NumberTitle({ title, hint }: NumberColumn): JSX.Element {
  return (
    <th scope="col" class="number" title={hint}>
      {title}
    </th>
  );
}
