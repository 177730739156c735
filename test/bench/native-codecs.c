/* Peer of codecs.bench.ts: `native-codecs PAGES` compresses every 4 KiB page of the file once per line read from stdin (the name of a
   codec; with ` -d` behind it, decompresses what that made of them) and answers with nanoseconds of CPU time per page, -1 for what it
   does not know. Libraries that are missing at compile time are left out by -DNO_... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifndef NO_LZ4
#include <lz4.h>
#include <lz4hc.h>
#endif
#ifndef NO_ZSTD
#include <zstd.h>
#endif
#ifndef NO_LZO
#include <lzo/lzo1x.h>
#endif
#ifndef NO_ZLIB
#include <zlib.h>
#endif

#define PAGE 4096
#define ROOM (2 * PAGE)

typedef unsigned char byte;
typedef size_t work(const byte *from, size_t length, byte *to);

#ifndef NO_LZ4
static void *hc_state;
static size_t lz4(const byte *from, size_t length, byte *to) {
  return LZ4_compress_default((const char *)from, (char *)to, length, ROOM);
}
static size_t lz4hc(const byte *from, size_t length, byte *to) {
  return LZ4_compress_HC_extStateHC(hc_state, (const char *)from, (char *)to, length, ROOM, 9);
}
static size_t un_lz4(const byte *from, size_t length, byte *to) {
  return LZ4_decompress_safe((const char *)from, (char *)to, length, PAGE);
}
#endif
#ifndef NO_ZSTD
static ZSTD_CCtx *zstd_state;
static ZSTD_DCtx *un_zstd_state;
static size_t zstd(const byte *from, size_t length, byte *to) {
  return ZSTD_compressCCtx(zstd_state, to, ROOM, from, length, 3);
}
static size_t un_zstd(const byte *from, size_t length, byte *to) {
  return ZSTD_decompressDCtx(un_zstd_state, to, PAGE, from, length);
}
#endif
#ifndef NO_LZO
static void *lzo_state;
static size_t lzo(const byte *from, size_t length, byte *to) {
  lzo_uint made;
  lzo1x_1_compress(from, length, to, &made, lzo_state);
  return made;
}
static size_t un_lzo(const byte *from, size_t length, byte *to) {
  lzo_uint made = PAGE;
  lzo1x_decompress_safe(from, length, to, &made, NULL);
  return made;
}
#endif
#ifndef NO_ZLIB
static z_stream zlib_state;
static size_t zlib(const byte *from, size_t length, byte *to) {
  deflateReset(&zlib_state);
  zlib_state.next_in = (byte *)from;
  zlib_state.avail_in = length;
  zlib_state.next_out = to;
  zlib_state.avail_out = ROOM;
  deflate(&zlib_state, Z_FINISH);
  return zlib_state.total_out;
}
#endif

static const struct {
  const char *name;
  work *compress, *decompress;
} codecs[] = {
#ifndef NO_LZ4
    {"lz4", lz4, un_lz4},
    {"lz4hc", lz4hc, un_lz4},
#endif
#ifndef NO_ZSTD
    {"zstd", zstd, un_zstd},
#endif
#ifndef NO_LZO
    {"lzo", lzo, un_lzo},
#endif
#ifndef NO_ZLIB
    {"deflate", zlib, NULL},
#endif
    {NULL, NULL, NULL},
};

static volatile size_t sink;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static double time_compression(work *compress, const byte *pages, long count) {
  static byte out[ROOM];
  double start = now();
  for (long i = 0; i < count; i++) sink += compress(pages + i * PAGE, PAGE, out);
  return (now() - start) / count;
}

static double time_decompression(work *compress, work *decompress, const byte *pages, long count) {
  static byte out[PAGE];
  byte *blocks = malloc(count * ROOM);
  size_t *lengths = malloc(count * sizeof *lengths);
  for (long i = 0; i < count; i++) lengths[i] = compress(pages + i * PAGE, PAGE, blocks + i * ROOM);
  double start = now();
  for (long i = 0; i < count; i++) sink += decompress(blocks + i * ROOM, lengths[i], out);
  double taken = (now() - start) / count;
  free(blocks);
  free(lengths);
  return taken;
}

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (!file) return 2;
  fseek(file, 0, SEEK_END);
  long count = ftell(file) / PAGE;
  rewind(file);
  byte *pages = malloc(count * PAGE);
  if (fread(pages, PAGE, count, file) != (size_t)count) return 2;
#ifndef NO_LZ4
  hc_state = malloc(LZ4_sizeofStateHC());
#endif
#ifndef NO_ZSTD
  zstd_state = ZSTD_createCCtx();
  un_zstd_state = ZSTD_createDCtx();
#endif
#ifndef NO_LZO
  lzo_state = malloc(LZO1X_1_MEM_COMPRESS);
  if (lzo_init() != LZO_E_OK) return 2;
#endif
#ifndef NO_ZLIB
  deflateInit2(&zlib_state, 6, Z_DEFLATED, -11, 8, Z_DEFAULT_STRATEGY);
#endif
  char line[64], name[64], way[64];
  while (fgets(line, sizeof line, stdin)) {
    int words = sscanf(line, "%63s %63s", name, way);
    double taken = -1;
    for (int i = 0; words > 0 && codecs[i].name; i++) {
      if (strcmp(codecs[i].name, name)) continue;
      if (words == 1) taken = time_compression(codecs[i].compress, pages, count);
      else if (codecs[i].decompress)
        taken = time_decompression(codecs[i].compress, codecs[i].decompress, pages, count);
    }
    printf("%f\n", taken);
    fflush(stdout);
  }
  return 0;
}
