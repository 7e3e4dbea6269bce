/** Done as asked. */
export const DONE = 0;
/** Not done; standard error says why. */
export const FAILED = 1;
/** What was compared is not the same, or costs more than it may. */
export const DIFFERS = 2;
