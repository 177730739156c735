/** Groups of three digits, the comma as separator: the same in every locale. */
export function formatCount(value: number | bigint): string {
  return String(value).replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ','))
}

/** `1 gap`, `1,200 gaps`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}
