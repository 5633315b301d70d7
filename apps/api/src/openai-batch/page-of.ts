/** A page as OpenAI's clients turn it over: by the id of its last item. */
export interface Page<Item> {
  readonly object: 'list';
  readonly data: Item[];
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly has_more: boolean;
}

const AT_ONCE = 16;

/** The first items of what is listed; those that `find` does not find are left out. Closes the listing. */
export async function pageOf<Item extends { readonly id: string }>(
  ids: AsyncGenerator<string, void, undefined>,
  limit: number,
  find: (id: string) => Promise<Item | undefined>,
): Promise<Page<Item>> {
  const data: Item[] = [];
  let isOver = false;
  try {
    // One more than asked for tells whether there is more.
    while (!isOver && data.length <= limit) {
      const names: string[] = [];
      while (!isOver && names.length < Math.min(AT_ONCE, limit + 1 - data.length)) {
        const next = await ids.next();
        if (next.done === true) isOver = true;
        else names.push(next.value);
      }
      data.push(...(await Promise.all(names.map(find))).filter((item) => item !== undefined));
    }
  } finally {
    await ids.return();
  }
  const page = data.slice(0, limit);
  return { object: 'list', data: page, first_id: page[0]?.id ?? null, last_id: page.at(-1)?.id ?? null, has_more: data.length > limit };
}
