export { type CalibrationTarget, calibrate } from './calibrate.ts'
export { FITTED_CODECS } from './class-shape.ts'
export {
  CORPUS_GROUP_BYTES,
  type Corpus,
  CorpusBuilder,
  decodeCorpus,
  encodeCorpus,
} from './corpus.ts'
export { createCorpusContents } from './corpus-contents.ts'
export { type CorpusStat, corpusStat } from './corpus-stat.ts'
export { createGenerator, type GeneratorOptions } from './generator.ts'
export { SAME_SHARE, ZERO_SHARE } from './generator-classes.ts'
export { createIncompressible } from './incompressible.ts'
export { classOfPage, PAGE_CLASSES, type PageClass } from './page-class.ts'
export { createPartlyRandom } from './partly-random.ts'
export { createSwapImageContents, type SwapImageOptions } from './swap-image.ts'
