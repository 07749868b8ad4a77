/** Sizes as the configuration has them, exactly. */

/** Bytes of a disk's sector: sizes of disks are whole numbers of them. */
const sector = 512;

/** Whole bytes of a size in GB (10⁹ bytes), rounded up to a whole sector: 64.1 GB are 64 100 000 256 bytes. */
export const bytesOfGB = (gigabytes: number): number =>
  // 64.1 * 1e9 itself is no whole number in floating point.
  Math.ceil(Math.round(gigabytes * 1e9) / sector) * sector;
