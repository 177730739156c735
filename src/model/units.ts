declare const brand: unique symbol

/** Nanoseconds; exact below 2^53. */
export type Ns = number & { readonly [brand]: 'Ns' }
/** Page frame number: a place in memory at one moment, never a page's identity. */
export type Pfn = number & { readonly [brand]: 'Pfn' }

export function toNs(value: number): Ns {
  return value as Ns
}

export function toPfn(value: number): Pfn {
  return value as Pfn
}
