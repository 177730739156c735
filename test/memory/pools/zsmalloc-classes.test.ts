import { describe, expect, it } from 'vitest'
import { buildClassTable, classOf } from '../../../src/memory/pools/zsmalloc-classes.ts'

const CHAIN_8 =
  '32:1x128 48:3x256 64:1x64 80:5x256 96:3x128 112:7x256 128:1x32 144:7x199 160:5x128 176:4x93 192:3x64 208:3x59 224:7x128 240:1x17 256:1x16 272:1x15 288:5x71 304:7x94 320:5x64 336:6x73 352:8x93 368:8x89 384:3x32 400:5x51 416:6x59 432:7x66 448:7x64 464:5x44 480:2x17 496:4x33 512:1x8 528:4x31 544:2x15 560:7x51 576:1x7 592:8x55 608:7x47 624:2x13 640:5x32 656:5x31 672:1x6 688:8x47 704:5x29 720:3x17 736:2x11 752:7x38 768:3x16 784:5x26 816:1x5 832:8x39 848:5x24 864:7x33 880:8x37 896:7x32 912:7x31 928:5x22 944:3x13 960:4x17 976:6x25 992:8x33 1024:1x4 1056:8x31 1072:5x19 1088:4x15 1104:3x11 1120:8x29 1136:5x18 1168:2x7 1184:7x24 1200:5x17 1216:3x10 1232:7x23 1248:4x13 1280:5x16 1296:7x22 1360:1x3 1424:8x23 1440:6x17 1456:5x14 1488:4x11 1504:7x19 1536:3x8 1552:8x21 1568:5x13 1584:7x18 1632:2x5 1680:7x17 1696:5x12 1712:8x19 1744:3x7 1792:7x16 1808:4x9 1856:5x11 1888:6x13 1904:7x15 1920:8x17 2048:1x2 2176:8x15 2192:7x13 2224:6x11 2272:5x9 2336:4x7 2384:7x12 2448:3x5 2512:8x13 2560:5x8 2592:7x11 2720:2x3 2864:7x10 2912:5x7 2976:8x11 3072:3x4 3184:7x9 3264:4x5 3408:5x6 3504:6x7 3584:7x8 3632:8x9 4096:1x1'

const CHAIN_4 =
  '32:1x128 48:3x256 64:1x64 80:1x51 96:3x128 112:2x73 128:1x32 144:3x85 160:2x51 176:4x93 192:3x64 208:3x59 224:4x73 240:1x17 256:1x16 272:1x15 288:1x14 304:3x40 320:4x51 336:1x12 352:2x23 368:1x11 384:3x32 400:1x10 416:4x39 432:3x28 448:1x9 464:4x35 480:2x17 496:4x33 512:1x8 528:4x31 544:2x15 560:4x29 576:1x7 592:4x27 608:3x20 624:2x13 640:3x19 672:1x6 704:4x23 720:3x17 736:2x11 768:3x16 816:1x5 848:4x19 864:3x14 896:2x9 944:3x13 960:4x17 1024:1x4 1088:4x15 1104:3x11 1168:2x7 1216:3x10 1248:4x13 1360:1x3 1488:4x11 1536:3x8 1632:2x5 1744:3x7 1808:4x9 2048:1x2 2336:4x7 2448:3x5 2720:2x3 3072:3x4 3264:4x5 4096:1x1'

function printed(table: ReturnType<typeof buildClassTable>): string {
  return table.classes.map(({ size, pages, objects }) => `${size}:${pages}x${objects}`).join(' ')
}

describe('zsmalloc classes', () => {
  it('are the 119 of a chain of 8', () => {
    expect(printed(buildClassTable(4096, 8, 'waste'))).toBe(CHAIN_8)
  })

  it('are the 69 of a chain of 4', () => {
    expect(printed(buildClassTable(4096, 4, 'waste'))).toBe(CHAIN_4)
  })

  it('differ in class 208 only when the chain is chosen by whole percents, as before 6.3', () => {
    const percent = printed(buildClassTable(4096, 4, 'percent')).split(' ')
    const waste = CHAIN_4.split(' ')
    expect(percent.filter((each) => !waste.includes(each))).toEqual(['208:2x39'])
    expect(percent).toHaveLength(69)
  })

  it.each([
    [4096, 4, 3257],
    [4096, 5, 3401],
    [4096, 6, 3497],
    [4096, 7, 3577],
    [4096, 8, 3625],
    [16384, 8, 14553],
  ])('keep pages of %i raw with a chain of %i from %i bytes', (pageSize, chain, size) => {
    expect(buildClassTable(pageSize, chain, 'waste').hugeClassSize).toBe(size)
  })

  it.each([
    [24, 32],
    [25, 48],
    [500, 512],
    [1360, 1424],
    [2040, 2048],
    [2041, 2176],
    [3000, 3072],
    [3624, 3632],
    [3625, 4096],
    [4096, 4096],
  ])('put an object of %i bytes into class %i with a chain of 8', (size, expected) => {
    const table = buildClassTable(4096, 8, 'waste')
    expect(table.classes[classOf(table, size)]?.size).toBe(expected)
  })

  it('cover every size with the smallest class that has room for it and its handle', () => {
    for (const [pageSize, chain] of [
      [4096, 4],
      [4096, 6],
      [16384, 8],
      [65536, 8],
    ] as const) {
      const table = buildClassTable(pageSize, chain, 'waste')
      for (let size = 1; size <= pageSize; size += pageSize === 4096 ? 1 : 13) {
        const position = classOf(table, size)
        const needed = Math.min(size + 8, pageSize)
        expect(table.classes[position]?.size).toBeGreaterThanOrEqual(needed)
        if (position > 0) expect(table.classes[position - 1]?.size).toBeLessThan(needed)
      }
    }
  })
})
