/** The build makes a file of all of them. */
declare module "*.css";
