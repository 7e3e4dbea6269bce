/** Done as asked. */
export const DONE = 0;
/** Not done; standard error says why. */
export const FAILED = 1;
/** Done, and something is not as it was, or costs more than it may. */
export const DIFFERS = 2;
