/** Blocks of memory from this size on are mapped by themselves, and given back when they are freed; bytes. */
const mapped = 1 << 20;
/** What is free at the end of the heap is kept up to this size, as glibc does once its limit has grown; bytes. */
const kept = 64 << 20;

/**
 * Environment of a process that loads models, which only its start can set. glibc raises its limit for mapping blocks by
 * itself, up to 32 MB, and then cuts weights out of one heap: loading SDXL left 1 to 1.5 GB of holes between f32 copies
 * that are made and moved. With a limit that stays it leaves none. Other systems do not heed it.
 */
export const loadingEnvironment = (own: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv => ({
  MALLOC_MMAP_THRESHOLD_: String(mapped),
  MALLOC_TRIM_THRESHOLD_: String(kept),
  ...own,
});
