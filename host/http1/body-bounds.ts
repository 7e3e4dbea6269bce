/** What a sender may say beside a body's data: nobody reads extensions. */
export const EXTENSION_BYTES_MAX = 1_024;
export const TRAILER_BYTES_MAX = 16_384;
