/** Places below `length` at which `isBefore` holds come first: the first at which it does not, `length` where it holds at all of them. */
export function partitionPoint(length: number, isBefore: (place: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(middle)) low = middle + 1
    else high = middle
  }
  return low
}
