/** Items by their key, both in the order in which they come. */
export function groupBy<Item>(
  items: Iterable<Item>,
  toKey: (item: Item) => string,
): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const key = toKey(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
