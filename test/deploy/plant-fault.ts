/**
 * Sets what lies at `place` in a tree of parsed YAML, or removes it where `value` is undefined. `place` is a list of keys with spaces between them; `name=x` is the
 * element of a list with that name, `+` is behind its last.
 *
 * @throws Error where there is nothing to damage: a planted fault that is none proves nothing
 */
export function plantFault(tree: unknown, place: string, value: unknown): void {
  const keys = place.split(' ');
  const last = keys.pop() ?? '';
  let node = tree;
  for (const key of keys) node = step(node, key);
  if (Array.isArray(node) && last === '+') node.push(value);
  else if (Array.isArray(node) && value === undefined) node.splice(indexIn(node, last), 1);
  else if (Array.isArray(node)) node[indexIn(node, last)] = value;
  else if (typeof node !== 'object' || node === null) throw new Error(`There is nothing at ${place}.`);
  else if (value !== undefined) Reflect.set(node, last, value);
  else if (!Reflect.has(node, last)) throw new Error(`There is no ${place} to remove.`);
  else Reflect.deleteProperty(node, last);
}

function step(node: unknown, key: string): unknown {
  const next: unknown = Array.isArray(node)
    ? node[indexIn(node, key)]
    : typeof node === 'object' && node !== null
      ? Reflect.get(node, key)
      : undefined;
  if (next === undefined) throw new Error(`There is no ${key} on the way.`);
  return next;
}

function indexIn(list: readonly unknown[], key: string): number {
  const name = /^name=(.+)$/.exec(key)?.[1];
  const index = name === undefined ? Number(key) : list.findIndex((each) => (each as { readonly name?: string }).name === name);
  if (list[index] === undefined) throw new Error(`There is no ${key} in the list.`);
  return index;
}
