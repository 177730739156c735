export { createGenerator, type GeneratorOptions } from './generator.ts'
