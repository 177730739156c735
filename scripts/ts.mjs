// Runs TypeScript sources directly: `node --import ./scripts/ts.mjs file.ts` (development only; Node 20 strips no types itself).
import { register } from 'node:module'

register(new URL('./ts-loader.mjs', import.meta.url))
