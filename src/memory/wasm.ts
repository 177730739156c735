import { Buffer } from 'node:buffer'

export interface WasmMemory {
  readonly buffer: ArrayBufferLike
}

/** The part of the WebAssembly API that is used here; `lib` has no declaration of it without the DOM. */
interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => WasmMemory
}

const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly: WasmApi }

/** Shared, so that several threads can work on one; it never grows, so views of its buffer stay good. */
export function createSharedMemory(bytes: number): WasmMemory {
  const pages = Math.ceil(bytes / 65_536)
  return new wasm.Memory({ initial: pages, maximum: pages, shared: true })
}

const modules = new Map<string, object>()

/** An instance of a module built by scripts/build-wasm.mjs; compiled once per thread. */
export function instantiate<Exports>(base64: string, memory: WasmMemory): Exports {
  let module = modules.get(base64)
  if (module === undefined) {
    module = new wasm.Module(new Uint8Array(Buffer.from(base64, 'base64')))
    modules.set(base64, module)
  }
  return new wasm.Instance(module, { env: { memory } }).exports as Exports
}
